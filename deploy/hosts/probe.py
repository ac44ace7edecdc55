"""Ask a host what it is like: two calls of its engine and one script, in a few dozen milliseconds."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound

from deploy.hosts import containers, readings
from deploy.hosts.connection import Connection
from deploy.values import labels
from deploy.values.errors import HostError
from deploy.values.facts import ContainerFacts, HostFacts
from deploy.values.mounts import Mount

_SCRIPT = Path(__file__).with_name("probe.sh")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}


def gather(
    connection: Connection,
    client: docker.DockerClient,
    *,
    app_name: str,
    ports: Collection[int] = (),
    mounts: Sequence[Mount] = (),
    log_file: str | None = None,
    uid: int | None = None,
    gid: int | None = None,
    authority: str = "",
) -> HostFacts:
    """Ask one host; changes nothing there.

    Args:
        connection: to the host.
        client: of its engine.
        app_name: its containers, and foreign ones of its name, are inspected.
        ports: containers that publish one of these are inspected too.
        mounts: their sources are looked at.
        log_file: the file in the container, looked at where a mount holds it.
        uid: the user that the application will run as; None when not known.
        gid: that user's group.
        authority: the file with the certificate of the registry's authority, read when it is named.

    Raises:
        HostError: the host did not answer, or lacks a tool that the deploy needs.
    """
    info = client.api.info()
    data_root = str(info["DockerRootDir"])
    on_host = log_on_host(log_file, mounts)
    sources = [mount.source for mount in mounts]
    args = [data_root, _text(uid), _text(gid), on_host or "", authority, *sources]
    before = time.time()
    result = connection.run(_SCRIPT.read_text(), args=args, timeout=20)
    after = time.time()
    if result.code != 0:
        raise HostError(
            "The host could not be asked for its facts.",
            why=result.err.strip() or f"the script ended with {result.code}",
            host=connection.host.name,
        )
    seen = _read(connection, result.out)
    memory = readings.memory(seen)
    return HostFacts(
        host=connection.host,
        engine_id=str(info.get("ID", "")),
        engine_version=str(info.get("ServerVersion", "")),
        api_version=str(client.api.api_version),
        os=str(info.get("OSType", "linux")),
        architecture=architecture(str(info.get("Architecture", ""))),
        cpus=int(info.get("NCPU", 0)),
        data_root=data_root,
        remapped_users=any("userns" in o or "rootless" in o for o in info.get("SecurityOptions") or ()),
        memory_total=memory.total,
        memory_available=memory.available,
        disk_free=seen.disk_free,
        inodes_free=seen.inodes_free,
        listening=seen.listening,
        clock=seen.clock,
        # The script's clock has whole seconds: half a second is the middle of what it may mean.
        clock_offset=seen.clock + 0.5 - (before + after) / 2,
        boot_id=seen.boot_id,
        has_flock="flock" in seen.tools,
        user=seen.user,
        groups=seen.groups,
        home=seen.home,
        mounts={path.path: path for path in seen.mounts},
        log=seen.log,
        registry_config=info.get("RegistryConfig") or {},
        authority=seen.authority,
        containers=_containers(client, app_name, ports),
    )


def _read(connection: Connection, text: str) -> readings.Readings:
    try:
        seen = readings.parse(text)
    except ValueError as error:
        raise HostError(
            "The host's facts make no sense.",
            why=f"{error}; they begin with {text[:80]!r}",
            advice="See that its tools (stat, df, id, find) are the usual ones.",
            host=connection.host.name,
        ) from error
    for tool, package in (("flock", "util-linux"), ("find", "findutils")):
        if tool not in seen.tools:
            raise missing_tool(connection, tool, package)
    return seen


def missing_tool(connection: Connection, tool: str, package: str) -> HostError:
    """The error for a tool that the host lacks."""
    return HostError(
        f"{tool} is missing on the host.",
        why="The deploy's lock and facts need it there.",
        advice=f"On {connection.host.name}: sudo apt-get install {package}",
        host=connection.host.name,
    )


def architecture(machine: str) -> str:
    """A machine as `uname -m` names it, in the words of image platforms."""
    return _ARCHITECTURES.get(machine, machine)


def log_on_host(log_file: str | None, mounts: Sequence[Mount]) -> str | None:
    """Where the container's log file lies on the host; None when no mount holds it."""
    if log_file is None:
        return None
    holding = [m for m in mounts if log_file.startswith(m.target.rstrip("/") + "/")]
    if not holding:
        return None
    # The deepest mount is the one that the container sees there.
    mount = max(holding, key=lambda m: len(m.target.rstrip("/")))
    return mount.source.rstrip("/") + log_file.removeprefix(mount.target.rstrip("/"))


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _containers(
    client: docker.DockerClient, app_name: str, ports: Collection[int]
) -> tuple[ContainerFacts, ...]:
    listed = [containers.listed(entry) for entry in client.api.containers(all=True)]
    return tuple(
        _inspected(client, container) if _concerns(container, app_name, ports) else container
        for container in listed
    )


def _concerns(container: ContainerFacts, app_name: str, ports: Collection[int]) -> bool:
    return (
        container.labels.get(labels.APP) == app_name
        or container.name == app_name
        or container.name.startswith(f"{app_name}-")
        or any(published.port in ports for published in container.published)
    )


def _inspected(client: docker.DockerClient, container: ContainerFacts) -> ContainerFacts:
    try:
        document: dict[str, Any] = client.api.inspect_container(container.id)
    except NotFound:
        return container  # Removed between the two calls: the list's word is the last one.
    return containers.inspected(document)
