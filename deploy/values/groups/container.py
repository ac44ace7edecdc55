"""How the application's container runs."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import SecretStr

from deploy.values import addresses, names, sizes
from deploy.values.addresses import Published
from deploy.values.confinement import TMP, Confinement, parse_capabilities
from deploy.values.groups.base import Keys
from deploy.values.keys import Key
from deploy.values.mounts import Mount, parse_container_file, parse_mounts


class ContainerKeys(Keys):
    """How the application's container runs."""

    app_port: Annotated[
        Published,
        Key(
            group="Container",
            doc="[ADDRESS:]PORT where each host serves the application.",
            example="127.0.0.1:8080",
            parse=addresses.parse_published,
        ),
    ] = Published(port=8080)
    container_port: Annotated[
        int,
        Key(
            group="Container",
            doc="Port where the application listens inside its container.",
            example="9000",
            parse=addresses.parse_port,
        ),
    ] = 8080
    memory: Annotated[
        int | None,
        Key(
            group="Container",
            doc="Memory limit of the container; left out, none.",
            example="700m",
            parse=sizes.parse_memory,
        ),
    ] = None
    """Bytes."""
    cpus: Annotated[
        float | None,
        Key(
            group="Container",
            doc="How many CPUs the container may use; left out, all.",
            example="1.8",
            parse=sizes.parse_cpus,
        ),
    ] = None
    mounts: Annotated[
        tuple[Mount, ...],
        Key(
            group="Container",
            doc="Directories of the host in the container, as /on/the/host:/in/the/container[:ro], "
            "comma separated.",
            example="/srv/hello/logs:/logs",
            parse=parse_mounts,
        ),
    ] = ()
    log_file: Annotated[
        str | None,
        Key(
            group="Container",
            doc="File in the container where the application writes its log besides stdout.",
            example="/logs/app.log",
            parse=parse_container_file,
        ),
    ] = None
    run_as: Annotated[
        str | None,
        Key(
            group="Container",
            doc="Numeric uid[:gid] that the application runs as; left out, the image's user.",
            example="10001:10001",
            parse=names.parse_run_as,
        ),
    ] = None
    pids_limit: Annotated[
        int,
        Key(
            group="Container",
            doc="How many processes and threads the container may have; 0 for any number.",
            example="2048",
            parse=sizes.whole_number(0, 1_000_000),
        ),
    ] = 1024
    tmp_size: Annotated[
        int,
        Key(
            group="Container",
            doc="Size of the container's /tmp, which is in memory and counts against MEMORY; "
            "0 for a /tmp on the disk.",
            example="256m",
            parse=sizes.parse_memory_or_none,
        ),
    ] = 64 * 2**20
    """Bytes."""
    cap_add: Annotated[
        tuple[str, ...],
        Key(
            group="Container",
            doc="Capabilities that the container keeps, comma separated; left out, it has none.",
            example="NET_RAW,SYS_NICE",
            parse=parse_capabilities,
        ),
    ] = ()
    no_new_privileges: Annotated[
        bool,
        Key(
            group="Container",
            doc="Whether programs in the container gain no rights by setuid or file capabilities.",
            example="false",
            parse=names.parse_truth,
        ),
    ] = True
    read_only: Annotated[
        bool,
        Key(
            group="Container",
            doc="Whether the application may write nothing but /tmp and MOUNTS.",
            example="true",
            parse=names.parse_truth,
        ),
    ] = False
    secrets_as: Annotated[
        Literal["environment", "files"],
        Key(
            group="Container",
            doc="How SECRET_X reach the container: environment, or files in the host's memory "
            "(/run/secrets, which Spring Boot 2.4 and newer reads); a host that reboots then waits for "
            "`invoke repair`.",
            example="files",
            parse=names.one_of("environment", "files"),
        ),
    ] = "environment"
    app_env: Mapping[str, str] = {}
    """APP_ENV_X of the settings, by X."""
    secrets: Mapping[str, SecretStr] = {}
    """SECRET_X of the settings, by X."""

    def secret_variables(self) -> dict[str, str]:
        """SECRET_X in the clear, by X."""
        return {name: secret.get_secret_value() for name, secret in self.secrets.items()}

    def confinement(self) -> Confinement:
        """How the settings confine the container."""
        return Confinement(
            no_new_privileges=self.no_new_privileges,
            cap_add=self.cap_add,
            pids_limit=self.pids_limit,
            tmp_size=0 if any(mount.target == TMP for mount in self.mounts) else self.tmp_size,
            read_only=self.read_only,
        )
