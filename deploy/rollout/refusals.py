"""Why a rollout would fail on a host, seen before anything has changed. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.rollout.adoption import in_the_way, since, why_not
from deploy.rollout.found import Found, is_ours, is_proxy
from deploy.rollout.release import ImageFacts, java_heap
from deploy.rollout.strategy import room, runs_there
from deploy.setup.trust import Seen, Trust, lack
from deploy.values.addresses import Published
from deploy.values.errors import HostError
from deploy.values.facts import ContainerFacts, HostFacts
from deploy.values.images import Content, to_pull
from deploy.values.labels import PROFILE
from deploy.values.release import Release, proxy_name

OLDEST_ENGINE = (20, 10)
"""The oldest that this is tested with; older ones know no cgroup v2."""
SPACE = 3
"""Bytes on the disk for each byte that comes over the wire: what comes, and what it unpacks to (2.2 times
for Debian, a JRE and a jar, measured)."""
CONTAINER_SPACE = 16 * 2**20
"""Bytes for a container's own files and the beginning of its log."""
FILE = 8 * 2**10
"""Bytes over the wire for each file: in Debian's base 8 KiB (measured), with Java in it many more."""
CONTAINER_FILES = 200
"""What a container, its image's layers and its log take of their own, in files and directories."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One reason, with the way out."""

    host: str
    why: str
    advice: str

    def __str__(self) -> str:
        return f"{self.host}: {self.why} {self.advice}"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a release asks of every host."""

    release: Release
    platforms: tuple[str, ...]
    """`os/architecture` that the image is there for: one, or several of an index."""
    app_port: Published
    strategy: str
    """STRATEGY."""
    user: tuple[int, int] | None
    """Numeric user and group of the application; None when the image names them by words."""
    trust: Trust | None = None
    """How the hosts are to trust the registry; None where nothing is pulled."""
    image: ImageFacts | None = None
    """What the image says of itself; None where it is not to be looked at: it has run there before."""
    contents: tuple[Content, ...] = ()
    """The images that every host is to have; none when nothing will be pulled."""
    adopt: bool = False
    """Whether a container of somebody else's, by our name or on our port, is taken over."""


def refuse(wanted: Wanted, facts: Mapping[str, HostFacts], found: Mapping[str, Found]) -> None:
    """Refuse a rollout that would fail.

    Raises:
        HostError: names every reason on every host; nothing has been changed.
    """
    refusals = [
        Refusal(host=host, why=why, advice=advice)
        for host, here in facts.items()
        for check in CHECKS
        for why, advice in check(wanted, here, found[host])
    ]
    if refusals:
        raise HostError(
            "The rollout would fail; nothing was changed.",
            details=[str(refusal) for refusal in refusals],
            advice="Do what each line says, then run it again.",
            host=", ".join(dict.fromkeys(refusal.host for refusal in refusals)),
            step="facts",
        )


Reasons = Iterator[tuple[str, str]]


def _names(wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """A container by one of our names that is not ours."""
    app, profile = wanted.release.app, wanted.release.profile
    for item in here.containers:
        foreign = item in in_the_way(here, app=app, port=wanted.app_port.port)
        if item.name == app and not foreign and not is_ours(item, app=app, profile=profile):
            yield f"a container named {item.name} is there that {_owner(item)}.", _remove(item)
        if item.name == proxy_name(app) and not is_proxy(item, app=app):
            yield f"a container named {item.name} is there that is not this tool's proxy.", _remove(item)


def _owner(item: ContainerFacts) -> str:
    return f"belongs to profile {item.labels.get(PROFILE) or 'unknown'}"


def _foreign(wanted: Wanted, here: HostFacts, found: Found) -> Reasons:
    """Somebody else's containers by our name or on our port, unless the one that there is may be adopted."""
    foreign = in_the_way(here, app=wanted.release.app, port=wanted.app_port.port)
    if wanted.adopt and found.adopts and foreign == [found.adoption and found.adoption.item]:
        return
    for item in foreign:
        port = wanted.app_port.port
        holds = f" and holds port {port}" if item.running and item in here.publishing(port) else ""
        created = f", created {since(item)}" if since(item) else ""
        yield (
            f"a container named {item.name} is there{holds} that was not started by this tool (image "
            f"{item.image}{created}).",
            _way_out(item, found, alone=len(foreign) == 1),
        )


def _way_out(item: ContainerFacts, found: Found, *, alone: bool) -> str:
    why = why_not(item)
    if not why and not alone:
        why = "there is another one, and only one can be the release before"
    if not why and not found.adopts:
        why = "a release of this tool is there already"
    if why:
        return f"It cannot be adopted: {why}. Stop and remove it yourself (`docker rm -f {item.name}`)."
    return (
        "Take it over as the release before this one, to go back to: `invoke deploy --adopt`. Or stop and "
        f"remove it yourself (`docker rm -f {item.name}`)."
    )


def _remove(item: ContainerFacts) -> str:
    return f"Stop and remove it yourself (`docker rm -f {item.name}`), or choose another APP_NAME."


def _port(wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """A process on APP_PORT that is no container's; of those, see `_foreign`."""
    port = wanted.app_port.port
    publishers = [item for item in here.publishing(port) if item.running]
    if not publishers and port in here.listening:
        yield (
            f"port {port} is taken by another process.",
            f"`sudo ss -ltnp sport = :{port}` names it; stop it, or choose another APP_PORT.",
        )


def _platform(wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """An image that the host cannot run."""
    if here.platform not in wanted.platforms:
        yield (
            f"the image is for {', '.join(wanted.platforms)}, the host is {here.platform}.",
            f"Build it with PLATFORM={here.platform}; for hosts of several, name all, comma separated.",
        )


def _limits(wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """Limits above what the host has."""
    spec = wanted.release.spec
    if spec.memory and spec.memory > here.memory_total:
        yield (
            f"MEMORY is {spec.memory // 2**20}m, the host has {here.memory_total // 2**20}m.",
            "Lower MEMORY, or take a larger host.",
        )
    if spec.cpus and spec.cpus > here.cpus:
        yield f"CPUS is {spec.cpus:g}, the host has {here.cpus}.", f"Set CPUS to {here.cpus} or less."


def _heap(wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """A heap that would be killed before it is full."""
    heap = java_heap(wanted.release, wanted.image, here.memory_total) if wanted.image else None
    limit = wanted.release.spec.memory or here.memory_total
    if heap and heap.size >= limit:
        what = "MEMORY is" if wanted.release.spec.memory else "the host has"
        yield (
            f"Java's heap may take {heap.size // 2**20}m ({heap.why}), and {what} {limit // 2**20}m.",
            "Lower -Xmx (or leave it out), or raise MEMORY.",
        )


def tight(wanted: Wanted, here: HostFacts) -> str:
    """What to warn of when Java's heap fits, and not with all else that Java takes; empty when it does."""
    heap = java_heap(wanted.release, wanted.image, here.memory_total) if wanted.image else None
    limit = wanted.release.spec.memory or here.memory_total
    if heap is None or heap.needs <= limit:
        return ""
    return (
        f"Java may take about {heap.needs // 2**20}m when it is busy ({heap}), and has {limit // 2**20}m: "
        "it may be killed. Raise MEMORY, or lower -Xmx or SERVER_TOMCAT_THREADS_MAX (APP_ENV_…)."
    )


def _memory(wanted: Wanted, here: HostFacts, found: Found) -> Reasons:
    """STRATEGY=start-first without the memory for two."""
    old = runs_there(found)
    if wanted.strategy != "start-first" or old is None or not old.running:
        return
    space = room(wanted.release, here, found)
    if not space.enough:
        yield f"no memory to start the new one beside the old: {space}.", "Use STRATEGY=recreate or auto."


def _mounts(wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """A mount source that is missing, or that the application's user cannot write to.

    The engine makes a missing one root's, where an application with a user of its own cannot write.
    """
    user, group = wanted.user or (0, 0)
    for mount in wanted.release.spec.mounts:
        seen = here.mounts[mount.source]
        if seen.answer == "missing":
            yield (
                f"{mount.source} (MOUNTS) is not there.",
                f"On the host: `sudo install -d -o {user} -g {group} {mount.source}`",
            )
        elif not mount.read_only and not here.remapped_users and wanted.user:
            unwritable = list(seen.unwritable)
            if seen.writable_by(user, group, overrides=_overrides(wanted)) is False:
                unwritable.insert(0, mount.source)
            if unwritable:
                yield (
                    f"the application's user {user} cannot write {', '.join(unwritable)}.",
                    f"On the host: `sudo chown -R {user}:{group} {mount.source}`",
                )


def _overrides(wanted: Wanted) -> bool:
    """Whether root in the container may write what is not its own."""
    confinement = wanted.release.spec.confinement
    return confinement is None or "DAC_OVERRIDE" in confinement.cap_add


def _log(wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """A LOG_FILE that the application's user cannot write."""
    if here.log is None or wanted.user is None or here.remapped_users:
        return
    user, group = wanted.user
    if (
        here.log.answer != "missing"
        and here.log.writable_by(user, group, overrides=_overrides(wanted)) is False
    ):
        yield (
            f"the application's user {user} cannot write LOG_FILE: {here.log.path} is user {here.log.uid}'s.",
            f"On the host: `sudo chown -R {user}:{group} {here.log.path}`",
        )


def _trust(wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """An engine that would refuse the registry."""
    if wanted.trust is None:
        return
    seen = Seen(registry_config=here.registry_config, ca=here.authority)
    if missing := lack(wanted.trust, seen):
        yield missing, f"`invoke host.setup --profile={wanted.release.profile}`"


def _engine(_wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """An engine older than what this is tested with."""
    match = re.match(r"(\d+)\.(\d+)", here.engine_version)
    if match and (int(match[1]), int(match[2])) < OLDEST_ENGINE:
        least = ".".join(map(str, OLDEST_ENGINE))
        yield (
            f"its Docker Engine is {here.engine_version}, and {least} is the oldest that will do.",
            "Upgrade it; on Debian: `sudo apt-get install --only-upgrade docker.io` (or docker-ce).",
        )


def _disk(wanted: Wanted, here: HostFacts, _found: Found) -> Reasons:
    """Too little space or too few inodes for the pull."""
    size = to_pull(wanted.contents, here.stock, here.platform).size
    need = SPACE * size + CONTAINER_SPACE
    way_out = "See what takes it with `docker system df`; `docker image prune` removes untagged images."
    if need > here.disk_free:
        yield (
            f"{_mb(size)} to pull take about {_mb(need)} with what they unpack to ({SPACE} times, and "
            f"{_mb(CONTAINER_SPACE)} for the container); {_mb(here.disk_free)} are free in {here.data_root}.",
            way_out,
        )
    files = size // FILE + CONTAINER_FILES
    if here.inodes_free is not None and files > here.inodes_free:
        yield (
            f"{_mb(size)} to pull and a container are about {files} files (one each {FILE // 2**10} KiB, "
            f"{CONTAINER_FILES} for the container); {here.inodes_free} inodes are free in {here.data_root}.",
            way_out,
        )


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


CHECKS = (_engine, _names, _foreign, _port, _platform, _limits, _heap, _memory, _mounts, _log, _trust, _disk)
