"""Read what `probe.sh` says."""

import re
from dataclasses import dataclass, replace

from deploy.values.facts import PathFacts

_KIB = 1024
_UNLIMITED = 1 << 60
"""A cgroup v1 limit from here on means none: the kernel writes the highest page count of a 64 bit machine."""
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


def parse(text: str) -> Readings:
    """Read all records; one of an unknown name is ignored."""
    found = Readings()
    for record in text.split("\0"):
        found = _add(found, record)
    return found


def _add(found: Readings, record: str) -> Readings:
    if record.startswith("/") and found.mounts:
        last = found.mounts[-1]
        last = replace(last, unwritable=(*last.unwritable, record))
        return replace(found, mounts=(*found.mounts[:-1], last))
    name, _, value = record.partition(" ")
    match name:
        case "clock":
            return replace(found, clock=float(value))
        case "id":
            user, groups = identity(value)
            return replace(found, user=user, groups=groups)
        case "home":
            return replace(found, home=value)
        case "boot":
            return replace(found, boot_id=value)
        case "tool":
            return replace(found, tools=found.tools | {value})
        case "meminfo":
            return replace(found, meminfo=value)
        case "cgroup":
            return replace(found, cgroups=(*found.cgroups, cgroup(value)))
        case "disk":
            free, inodes = disk(value)
            return replace(found, disk_free=free, inodes_free=inodes)
        case "listening":
            return replace(found, listening=listening(value))
        case "mount":
            return replace(found, mounts=(*found.mounts, path(value)))
        case "log":
            return replace(found, log=path(value))
    return found


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
    """Local ports of /proc/net/tcp and tcp6 lines in state LISTEN, sorted."""
    fields = (line.split() for line in text.splitlines())
    return tuple(sorted({int(f[1].rsplit(":", 1)[1], 16) for f in fields if len(f) > 3 and f[3] == "0A"}))


def path(text: str) -> PathFacts:
    """Read a path and, on the line after it, what stat said: `there ACL uid gid mode kind`."""
    name, _, found = text.rpartition("\n")
    answer, *rest = found.split(None, 5)
    if answer != "there":
        return PathFacts(path=name, answer="missing" if answer == "missing" else "denied")
    access_list, uid, gid, mode, kind = rest
    return PathFacts(
        path=name,
        answer="there",
        uid=int(uid),
        gid=int(gid),
        mode=int(mode, 8),
        kind=kind,
        access_list=access_list == "+",
    )
