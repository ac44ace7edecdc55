"""Read what `probe.sh` says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deploy.values.facts import Kind, PathFacts

_KIB = 1024
_UNLIMITED = 1 << 60
"""A cgroup v1 limit from here on means none: the kernel writes the highest page count of a 64 bit machine."""
_KINDS: Mapping[str, Kind] = {"d": "directory", "-": "file"}
_ID = re.compile(r"\d+(?:\(([^)]*)\))?")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes."""

    total: int
    available: int


@dataclass(frozen=True, kw_only=True)
class Cgroup:
    """A memory cgroup, in bytes."""

    limit: int | None
    used: int
    reclaimable: int
    """File pages in `used` that the kernel gives back when it needs them."""


@dataclass(frozen=True, kw_only=True)
class Readings:
    """The script's records, read."""

    clock: float = 0.0
    user: str = ""
    groups: tuple[str, ...] = ()
    home: str = ""
    boot_id: str = ""
    tools: frozenset[str] = frozenset()
    meminfo: str = ""
    cgroups: tuple[Cgroup, ...] = ()
    disk_free: int = 0
    inodes_free: int | None = None
    listening: tuple[int, ...] = ()
    mounts: tuple[PathFacts, ...] = ()
    log: PathFacts | None = None
    authority: str | None = None
    """The content of the file; empty when it is missing, None when it was not seen."""


def parse(text: str) -> Readings:
    """Read all records; one of an unknown name is ignored.

    Raises:
        ValueError: a record is not what the script writes.
    """
    once: dict[str, str] = {}
    tools: set[str] = set()
    cgroups: list[Cgroup] = []
    mounts: list[PathFacts] = []
    for record in text.split("\0"):
        name, _, value = record.partition(" ")
        if record.startswith("/") and mounts:
            mounts[-1] = replace(mounts[-1], unwritable=(*mounts[-1].unwritable, record))
        elif name == "mount":
            mounts.append(path(value))
        elif name == "cgroup":
            cgroups.append(cgroup(value))
        elif name == "tool":
            tools.add(value)
        else:
            once[name] = value
    user, groups = identity(once.get("id", ""))
    free, inodes = disk(once.get("disk", ""))
    return Readings(
        clock=float(once.get("clock", 0)),
        user=user,
        groups=groups,
        home=once.get("home", ""),
        boot_id=once.get("boot_id", ""),
        tools=frozenset(tools),
        meminfo=once.get("meminfo", ""),
        cgroups=tuple(cgroups),
        disk_free=free,
        inodes_free=inodes,
        listening=listening(once.get("listening", "")) or connections(once.get("connections", "")),
        mounts=tuple(mounts),
        log=path(once["log"]) if "log" in once else None,
        authority=once.get("authority"),
    )


def identity(text: str) -> tuple[str, tuple[str, ...]]:
    """User and groups from the output of id(1)."""
    fields = dict(field.split("=", 1) for field in text.split() if "=" in field)
    user = _ID.match(fields.get("uid", ""))
    groups = tuple(found[1] for found in _ID.finditer(fields.get("groups", "")) if found[1])
    return (user[1] or "" if user else ""), groups


def memory(seen: Readings) -> Memory:
    """What is left for containers: the machine's, or less under a cgroup's limit.

    Source: proc_meminfo(5), MemAvailable; the kernel's documentation of memory cgroups, v1 and v2.
    """
    fields = dict(re.findall(r"^(\w+): +(\d+) kB", seen.meminfo, re.MULTILINE))
    total = int(fields.get("MemTotal", 0)) * _KIB
    available = int(fields.get("MemAvailable", 0)) * _KIB
    for group in seen.cgroups:
        if group.limit is not None:
            total = min(total, group.limit)
            available = min(available, max(0, group.limit - group.used + group.reclaimable))
    return Memory(total=total, available=available)


def cgroup(text: str) -> Cgroup:
    """Read `limit used reclaimable`."""
    limit, used, reclaimable = text.split()
    number = None if limit == "max" or int(limit) >= _UNLIMITED else int(limit)
    return Cgroup(limit=number, used=int(used), reclaimable=int(reclaimable))


def disk(text: str) -> tuple[int, int | None]:
    """Free bytes and inodes from stat(1)'s `%a %S %c %d`; btrfs and others have no number of inodes."""
    if not text.strip():
        return 0, 0
    blocks, size, inodes, free = (int(field) for field in text.split())
    return blocks * size, free if inodes else None


def listening(text: str) -> tuple[int, ...]:
    """Local ports of `ss -Hltn`, sorted."""
    fields = (line.split() for line in text.splitlines())
    return tuple(sorted({int(f[3].rsplit(":", 1)[1]) for f in fields if len(f) > 3}))


def connections(text: str) -> tuple[int, ...]:
    """Local ports of /proc/net/tcp and tcp6 lines in state LISTEN, sorted."""
    fields = (line.split() for line in text.splitlines())
    return tuple(sorted({int(f[1].rsplit(":", 1)[1], 16) for f in fields if len(f) > 3 and f[3] == "0A"}))


def path(text: str) -> PathFacts:
    """Read a path and, on the line after it, what `ls -Lldn` said: `there drwxr-xr-x+ links uid gid …`."""
    name, _, found = text.partition("\nthere ")
    if not found:
        name, _, answer = text.rpartition("\n")
        return PathFacts(path=name, answer="missing" if answer == "missing" else "denied")
    letters, _, uid, gid = found.split()[:4]
    return PathFacts(
        path=name,
        answer="there",
        uid=int(uid),
        gid=int(gid),
        mode=mode(letters),
        kind=_KINDS.get(letters[0], "special"),
        access_list=letters.endswith("+"),
    )


def mode(letters: str) -> int:
    """Permission bits of a mode as ls(1) writes it."""
    return sum(1 << (8 - place) for place, letter in enumerate(letters[1:10]) if letter not in "-ST")
