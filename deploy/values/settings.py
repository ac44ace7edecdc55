"""The settings of a profile: every key, its type, its default and what it means."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from deploy.values import addresses, names, sizes
from deploy.values.addresses import Published
from deploy.values.inventory import Access, Host, Inventory
from deploy.values.keys import Key, is_secret
from deploy.values.mounts import Mount, parse_container_file, parse_inner_path, parse_local_path, parse_mounts
from deploy.values.sizes import Batch

SANDBOX = "sandbox"
"""The value of REGISTRY and HOSTS that means the embedded sandbox."""

_seconds = sizes.whole_number(1, 3600, "seconds")
_seconds_or_none = sizes.whole_number(0, 3600, "seconds")


class Settings(BaseModel):
    """The settings of one profile, checked. Attributes are the keys in lower case.

    Made by `deploy.profiles.load`; each key's text form, documentation and example are its `Key`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    profile: str

    app_name: Annotated[
        str,
        Key(
            group="Application",
            doc="Name of the application; its container, its network and its lock on the hosts carry it.",
            example="hello",
            parse=names.parse_app_name,
        ),
    ]
    app_source: Annotated[
        str | None,
        Key(
            group="Application",
            doc="Directory of the application's source on this machine, relative to this repository; "
            "this or APP_GIT_URL.",
            example="examples/hello",
            parse=parse_local_path,
        ),
    ] = None
    app_git_url: Annotated[
        str | None,
        Key(
            group="Application",
            doc="Git repository of the application, cloned with its submodules; this or APP_SOURCE.",
            example="https://git.example.com/team/app.git",
            parse=names.parse_git_url,
        ),
    ] = None
    app_git_ref: Annotated[
        str,
        Key(
            group="Application",
            doc="Branch, tag or commit to build; HEAD is the default branch.",
            example="main",
            parse=names.parse_git_ref,
        ),
    ] = "HEAD"
    app_git_user: Annotated[
        str | None,
        Key(
            group="Application",
            doc="User for APP_GIT_URL by http(s); many servers take any name beside a token.",
            example="ci",
            parse=names.parse_login,
        ),
    ] = None
    app_git_token: Annotated[
        SecretStr | None,
        Key(
            group="Application",
            doc="Token or password for APP_GIT_URL, sent to that host only.",
            example="<token>",
            parse=SecretStr,
        ),
    ] = None
    app_dir: Annotated[
        str,
        Key(
            group="Application",
            doc="Directory of the project inside the source, for a repository of several.",
            example="services/app",
            parse=parse_inner_path,
        ),
    ] = "."
    build_command: Annotated[
        str | None,
        Key(
            group="Application",
            doc="Command that builds the jar, run in APP_DIR; left out, the project's own wrapper.",
            example="./gradlew clean build -x test",
            parse=names.parse_command,
        ),
    ] = None
    jar: Annotated[
        str | None,
        Key(
            group="Application",
            doc="The jar that the build makes, in APP_DIR, with * where names vary; left out, "
            "the one executable Spring Boot jar.",
            example="build/libs/app-*.jar",
            parse=parse_inner_path,
        ),
    ] = None

    image: Annotated[
        str,
        Key(
            group="Image",
            doc="Path of the image in the registry; left out, APP_NAME.",
            example="team/app",
            parse=names.parse_image_path,
        ),
    ] = ""
    base_image: Annotated[
        str,
        Key(
            group="Image",
            doc="Image with the Java runtime that the application's image is built on.",
            example="eclipse-temurin:25-jre",
            parse=names.parse_image,
        ),
    ] = "eclipse-temurin:21-jre"
    proxy_image: Annotated[
        str,
        Key(
            group="Image",
            doc="nginx 1.27.4 or newer, which serves APP_PORT on every host; copied to the registry by push.",
            example="nginx:1.30",
            parse=names.parse_image,
        ),
    ] = "nginx:1.30"
    platform: Annotated[
        str | None,
        Key(
            group="Image",
            doc="Platform to build for; left out, the hosts are asked.",
            example="linux/arm64",
            parse=names.parse_platform,
        ),
    ] = None

    registry: Annotated[
        str,
        Key(
            group="Registry",
            doc="The registry, as this machine reaches it; sandbox is the embedded one.",
            example="registry.example.com:5000",
            parse=addresses.parse_registry,
        ),
    ]
    registry_for_hosts: Annotated[
        str | None,
        Key(
            group="Registry",
            doc="The same registry as the hosts reach it; left out, as REGISTRY.",
            example="192.0.2.5:5000",
            parse=addresses.parse_registry_address,
        ),
    ] = None
    registry_user: Annotated[
        str | None,
        Key(
            group="Registry",
            doc="User at the registry; left out, no login.",
            example="deployer",
            parse=names.parse_login,
        ),
    ] = None
    registry_password: Annotated[
        SecretStr | None,
        Key(
            group="Registry",
            doc="Password of REGISTRY_USER; sent with each request and stored nowhere.",
            example="<password>",
            parse=SecretStr,
        ),
    ] = None
    registry_ca: Annotated[
        str | None,
        Key(
            group="Registry",
            doc="File with the certificate authority that signed the registry's certificate.",
            example="certs/registry-ca.crt",
            parse=parse_local_path,
        ),
    ] = None
    registry_trust: Annotated[
        Literal["ca", "insecure", "system"] | None,
        Key(
            group="Registry",
            doc="How hosts trust the registry: ca (by REGISTRY_CA's file), insecure (plain HTTP, as their "
            "daemon.json lists), system (as they are); left out, ca with REGISTRY_CA, else system.",
            example="insecure",
            parse=names.one_of("ca", "insecure", "system"),
        ),
    ] = None

    hosts: Annotated[
        tuple[Host, ...],
        Key(
            group="Hosts",
            doc="Hosts to deploy to, as [user@]host[:port][=ADDRESS], comma separated; ADDRESS is where "
            "balancers and users reach the host; sandbox is the embedded hosts.",
            example="deployer@192.0.2.10,deployer@192.0.2.11:2222=10.0.0.11",
            parse=addresses.parse_hosts,
        ),
    ]
    hosts_sandbox: bool = False
    """Whether HOSTS is the word sandbox."""
    balancers: Annotated[
        tuple[Host, ...],
        Key(
            group="Hosts",
            doc="Hosts whose nginx balances over HOSTS, written as HOSTS are; left out, there are none.",
            example="deployer@192.0.2.20",
            parse=addresses.parse_host_list,
        ),
    ] = ()
    sandbox_hosts: Annotated[
        int,
        Key(
            group="Hosts", doc="How many hosts the sandbox has.", example="3", parse=sizes.whole_number(1, 16)
        ),
    ] = 2
    ssh_key: Annotated[
        str | None,
        Key(
            group="Hosts",
            doc="File of the private key for SSH; left out, the SSH agent and the usual keys.",
            example="~/.ssh/id_ed25519",
            parse=parse_local_path,
        ),
    ] = None
    ssh_known_hosts: Annotated[
        str | None,
        Key(
            group="Hosts",
            doc="File of the hosts' public keys, others being refused; left out, the user's own.",
            example="deploy_known_hosts",
            parse=parse_local_path,
        ),
    ] = None

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
    app_env: Mapping[str, str] = {}
    """APP_ENV_X of the settings, by X."""
    secrets: Mapping[str, SecretStr] = {}
    """SECRET_X of the settings, by X."""

    health_path: Annotated[
        str | None,
        Key(
            group="Health and rollout",
            doc="Path that tells whether the application is well; left out, /actuator/health "
            "when the jar has it, else / below 500.",
            example="/actuator/health/readiness",
            parse=names.parse_health_path,
        ),
    ] = None
    health_timeout: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="Seconds that a new container has to become healthy.",
            example="60",
            parse=_seconds,
        ),
    ] = 120
    stop_timeout: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="Seconds that a container has to stop before it is killed.",
            example="60",
            parse=_seconds,
        ),
    ] = 30
    drain_timeout: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="Seconds that running requests have to end before their container is stopped.",
            example="10",
            parse=_seconds_or_none,
        ),
    ] = 30
    monitor: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="Seconds that a healthy container must stay healthy before the next host's turn.",
            example="10",
            parse=_seconds_or_none,
        ),
    ] = 5
    strategy: Annotated[
        Literal["auto", "start-first", "recreate"],
        Key(
            group="Health and rollout",
            doc="start-first (new beside old), recreate (old stops first), or auto: by each host's memory.",
            example="recreate",
            parse=names.one_of("auto", "start-first", "recreate"),
        ),
    ] = "auto"
    batch: Annotated[
        Batch,
        Key(
            group="Health and rollout",
            doc="How many hosts at a time after the first: a number or a share.",
            example="25%",
            parse=sizes.parse_batch,
        ),
    ] = Batch(count=1)
    keep_releases: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="How many earlier releases a host keeps, stopped, to go back to.",
            example="5",
            parse=sizes.whole_number(0, 50),
        ),
    ] = 3

    setup: Annotated[
        Literal["auto", "never"],
        Key(
            group="This machine",
            doc="auto installs what sandbox and tests lack on this machine; never only names the commands.",
            example="never",
            parse=names.one_of("auto", "never"),
        ),
    ] = "auto"

    origins: Mapping[str, str] = {}
    """By key: `file:line`, `environment` or `default`."""
    notes: tuple[str, ...] = ()
    """What to tell the user about where the settings came from, once, before the work."""

    @property
    def trust(self) -> Literal["ca", "insecure", "system"]:
        """REGISTRY_TRUST, or what it means to leave it out."""
        return self.registry_trust or ("ca" if self.registry_ca else "system")

    def secret_values(self) -> frozenset[str]:
        """Every text that must never be shown; each line of a secret of several lines too."""
        found = [value.get_secret_value() for value in self.secrets.values()]
        found += [value for name, value in self.app_env.items() if is_secret(name)]
        found += [key.get_secret_value() for key in (self.app_git_token, self.registry_password) if key]
        lines = [line for text in found for line in text.splitlines() if len(line) > 7]
        return frozenset(text for text in (*found, *lines) if text)

    def inventory(self) -> Inventory:
        """The hosts of the profile, and how SSH gets in."""
        access = Access(key=self.ssh_key, known_hosts=self.ssh_known_hosts)
        return Inventory(hosts=self.hosts, balancers=self.balancers, access=access)
