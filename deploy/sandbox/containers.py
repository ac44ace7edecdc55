"""Containers of a sandbox: what each should be, and making the engine have just these."""

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import docker
from docker.errors import APIError, NotFound

from deploy.sandbox.state import Confinement
from deploy.values import labels
from deploy.values.errors import BuildError

CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYSLOG", "MKNOD", "NET_RAW")
"""What a nested engine needs, where `--privileged` is refused because the outer engine lacks a capability."""
UNCONFINED = ("seccomp=unconfined", "apparmor=unconfined")
STOP_TIMEOUT = 30
"""Seconds: a nested engine stops its own containers first."""


class PortTaken(Exception):
    """A published port of `container` was taken between its choice and the container's start."""

    def __init__(self, container: str, said: str) -> None:
        super().__init__(said)
        self.container = container


@dataclass(frozen=True, kw_only=True)
class File:
    """A file put into a container before it starts."""

    path: str
    content: bytes
    mode: int
    uid: int = 0


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a container of a sandbox should be."""

    name: str
    sandbox: str
    home: str
    """The directory of the sandbox's state."""
    image: str
    hostname: str
    """Also how the sandbox's other containers reach it."""
    network: str
    ports: Mapping[int, int]
    """Port inside -> port of this machine's 127.0.0.1."""
    volume_at: str
    """Where its volume is mounted; the volume has the container's name."""
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    confinement: Confinement | None = None
    """For a container with an engine inside."""
    cgroups: Literal["1", "2"] = "2"
    """The version that the outer engine runs on."""

    def labels(self) -> dict[str, str]:
        """The labels of its container; its volume has the first two."""
        return {**marks(self.sandbox, self.home), labels.SANDBOX_SPEC: self.digest()}

    def digest(self) -> str:
        """A hash that changes with anything that the container depends on."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


def marks(sandbox: str, home: str) -> dict[str, str]:
    """The labels that everything of a sandbox carries."""
    return {labels.SANDBOX: sandbox, labels.SANDBOX_HOME: home}


def of_sandbox(client: docker.DockerClient, sandbox: str) -> dict[str, dict[str, Any]]:
    """The engine's list entries of a sandbox's containers, by name."""
    listed = client.api.containers(all=True, filters={"label": f"{labels.SANDBOX}={sandbox}"})
    return {entry["Names"][0].removeprefix("/"): entry for entry in listed}


def is_as_wanted(spec: Spec, entry: Mapping[str, Any] | None) -> bool:
    """Whether a list entry is a container made from this very spec, in whatever state."""
    return bool(entry) and (entry or {})["Labels"].get(labels.SANDBOX_SPEC) == spec.digest()


def runs_as_wanted(spec: Spec, entry: Mapping[str, Any] | None) -> bool:
    """Whether there is nothing to do for a container."""
    return is_as_wanted(spec, entry) and (entry or {})["State"] == "running"


def bring_up(client: docker.DockerClient, spec: Spec, entry: Mapping[str, Any] | None) -> None:
    """Make a container be there and run, its volume kept whatever happens to it.

    Raises:
        PortTaken: one of its ports is in use; the container is removed again.
        BuildError: it cannot be made or started.
    """
    # One that was never started may lack its files: whoever made it was interrupted.
    if entry and (not is_as_wanted(spec, entry) or entry["State"] == "created"):
        client.api.remove_container(entry["Id"], force=True)
        entry = None
    state = entry["State"] if entry else "absent"
    if state == "running":
        return
    try:
        if state == "paused":
            client.api.unpause(spec.name)
            return
        if entry is None:
            create(client, spec)
        client.api.start(spec.name)
    except APIError as error:
        said = str(error.explanation or error)
        if "port is already allocated" in said or "address already in use" in said:
            client.api.remove_container(spec.name, force=True)
            raise PortTaken(spec.hostname, said) from error
        raise BuildError(f"The sandbox's container {spec.name} does not start.", why=said) from error


def create(client: docker.DockerClient, spec: Spec) -> None:
    """Create a container from its spec, with its files inside; does not start it."""
    client.api.create_volume(spec.name, labels=marks(spec.sandbox, spec.home))
    client.api.create_container(
        spec.image,
        name=spec.name,
        hostname=spec.hostname,
        environment=dict(spec.environment),
        labels=spec.labels(),
        ports=list(spec.ports),
        stop_signal="SIGTERM",
        host_config=_host_config(client, spec),
        networking_config={"EndpointsConfig": {spec.network: {"Aliases": [spec.hostname]}}},
    )
    if spec.files:
        client.api.put_archive(spec.name, "/", _archive(spec.files))


def ensure_network(client: docker.DockerClient, name: str, marked: Mapping[str, str]) -> None:
    """Make the sandbox's network unless it is there."""
    if not client.api.networks(filters={"name": f"^{name}$"}):
        client.api.create_network(name, driver="bridge", labels=dict(marked), check_duplicate=True)


def confinement(client: docker.DockerClient, image: str, marked: Mapping[str, str]) -> Confinement:
    """How a container here gets a nested engine's rights: `--privileged`, or else a list of capabilities.

    `--privileged` asks for every capability, and is refused where the outer engine lacks one itself.

    Args:
        client: this machine's engine.
        image: any image with the program `true`.
        marked: labels for the container that tries it.
    """
    made = client.api.create_container(
        image,
        entrypoint=["true"],
        labels=dict(marked),
        host_config=client.api.create_host_config(privileged=True, network_mode="none"),
    )
    try:
        client.api.start(made["Id"])
    except APIError:
        return "capabilities"
    finally:
        client.api.remove_container(made["Id"], force=True, v=True)
    return "privileged"


def remove_everything(client: docker.DockerClient, mark: str) -> int:
    """Remove the containers, volumes and networks that carry a label (`key=value`).

    Returns:
        How many there were.
    """
    wanted = {"label": mark}
    entries = client.api.containers(all=True, filters=wanted)
    for entry in entries:
        remove_container(client, entry["Id"])
    volumes = client.api.volumes(filters=wanted)["Volumes"] or []
    for volume in volumes:
        client.api.remove_volume(volume["Name"], force=True)
    networks = client.api.networks(filters=wanted)
    for network in networks:
        client.api.remove_network(network["Id"])
    return len(entries) + len(volumes) + len(networks)


def remove_container(client: docker.DockerClient, name: str) -> None:
    """Remove a container, running or not, and its anonymous volumes."""
    try:
        client.api.remove_container(name, force=True, v=True)
    except NotFound:
        return


def remove_volume(client: docker.DockerClient, name: str) -> None:
    """Remove a volume if it is there."""
    try:
        client.api.remove_volume(name, force=True)
    except NotFound:
        return


def log_tail(client: docker.DockerClient, name: str, lines: int = 20) -> list[str]:
    """The last lines that a container wrote."""
    return client.api.logs(name, tail=lines).decode(errors="replace").splitlines()


def _host_config(client: docker.DockerClient, spec: Spec) -> dict[str, Any]:
    config: dict[str, Any] = client.api.create_host_config(**_host_options(spec))
    if spec.confinement == "capabilities":
        # What the command line makes of `--security-opt systempaths=unconfined`.
        config |= {"MaskedPaths": [], "ReadonlyPaths": []}
    return config


def _host_options(spec: Spec) -> dict[str, Any]:
    options: dict[str, Any] = {
        "port_bindings": {inside: ("127.0.0.1", outside) for inside, outside in spec.ports.items()},
        "binds": [f"{spec.name}:{spec.volume_at}"],
        "network_mode": spec.network,
        "log_config": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
    }
    if spec.confinement is None:
        return options
    # As on a machine: neither pid files nor what lies in /tmp live through a reboot.
    options["tmpfs"] = {"/run": "", "/tmp": "exec,mode=1777"}  # noqa: S108 - the container's
    return options | _rights(spec)


def _rights(spec: Spec) -> dict[str, Any]:
    if spec.confinement == "privileged":
        return {"privileged": True}
    rights: dict[str, Any] = {"cap_add": list(CAPABILITIES), "security_opt": list(UNCONFINED)}
    if spec.cgroups == "2":
        # The container's own tree, mounted read-only: its start script mounts it again, writable.
        return rights | {"cgroupns": "private"}
    return rights | {
        "cgroupns": "host",
        "binds": [f"{spec.name}:{spec.volume_at}", "/sys/fs/cgroup:/sys/fs/cgroup:rw"],
    }


def _archive(files: Sequence[File]) -> bytes:
    """A tar of the files, as `put_archive` takes it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.removeprefix("/"))
            entry.size, entry.mode, entry.uid, entry.gid = len(file.content), file.mode, file.uid, file.uid
            tar.addfile(entry, io.BytesIO(file.content))
    return made.getvalue()
