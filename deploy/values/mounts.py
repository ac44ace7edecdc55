"""Directories of a host inside the container, and other paths that settings name."""

import posixpath
import re
from dataclasses import dataclass

from deploy.values.addresses import WrongEntries

_PATH = re.compile(r"/[A-Za-z0-9._@+/~-]*")
_REFUSED_SOURCES = (
    "/etc",
    "/proc",
    "/sys",
    "/dev",
    "/boot",
    "/run",
    "/var/run",
    "/root",
    "/var/lib/docker",
)
_REFUSED_TARGETS = ("/proc", "/sys", "/dev")
_LOCAL = re.compile(r"[^;$`|&<>\"'\\]+")


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A directory of the host that the container sees."""

    source: str
    """Absolute path on the host."""
    target: str
    """Absolute path in the container."""
    read_only: bool = False

    def __str__(self) -> str:
        return f"{self.source}:{self.target}" + (":ro" if self.read_only else "")


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """A comma separated list of `/on/the/host:/in/the/container[:ro]`.

    Raises:
        WrongEntries: for every wrong entry at once.
    """
    mounts: list[Mount] = []
    wrong: list[tuple[int, str]] = []
    for position, entry in enumerate(text.split(","), start=1):
        try:
            mount = _mount(entry.strip())
            if any(mount.target == other.target for other in mounts):
                raise ValueError("refused mount, this container directory is used twice")
            mounts.append(mount)
        except ValueError as error:
            wrong.append((position, str(error)))
    if wrong:
        raise WrongEntries(tuple(wrong))
    return tuple(mounts)


def _mount(text: str) -> Mount:
    if not text:
        raise ValueError("empty entry, write /on/the/host:/in/the/container or remove the comma")
    parts = text.split(":")
    if len(parts) not in (2, 3) or parts[2:] not in ([], ["ro"], ["rw"]):
        raise ValueError("refused mount, write /on/the/host:/in/the/container or the same with :ro")
    source, target = (_normal(part) for part in parts[:2])
    if any(_within(source, refused) or _within(refused, source) for refused in _REFUSED_SOURCES):
        raise ValueError("refused mount, this host directory belongs to the system")
    if target == "/" or any(_within(target, refused) for refused in _REFUSED_TARGETS):
        raise ValueError("refused mount, this container directory belongs to the system")
    return Mount(source=source, target=target, read_only=parts[2:] == ["ro"])


def _normal(path: str) -> str:
    if not _PATH.fullmatch(path) or ".." in path.split("/"):
        raise ValueError("refused mount, paths must be absolute, without .., of letters, digits and ._@+~-")
    return posixpath.normpath("/" + path.lstrip("/"))


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def mount_of(path: str, mounts: tuple[Mount, ...]) -> Mount | None:
    """The mount in which a path of the container lies, the innermost one; None when it lies in none."""
    around = [mount for mount in mounts if _within(path, mount.target)]
    return max(around, key=lambda mount: len(mount.target), default=None)


def parse_container_file(text: str) -> str:
    """An absolute path of a file in the container.

    Raises:
        ValueError: relative, with `..`, or with characters that no log file needs.
    """
    if not _PATH.fullmatch(text) or ".." in text.split("/") or text.endswith("/"):
        raise ValueError("use the absolute path of a file, as /logs/app.log")
    return posixpath.normpath("/" + text.lstrip("/"))


def parse_local_path(text: str) -> str:
    """A path on this machine, absolute, beginning with `~/`, or relative to the repository.

    Raises:
        ValueError: it begins with `-`, or has characters that only a shell needs.
    """
    if text.startswith("-") or not _LOCAL.fullmatch(text):
        raise ValueError("use a path without shell characters that does not begin with -")
    return text


def parse_inner_path(text: str) -> str:
    """A relative path that stays inside of the directory it starts from.

    Raises:
        ValueError: absolute, or with `..`, or no path at all.
    """
    if text.startswith(("/", "~")) or ".." in text.split("/"):
        raise ValueError("use a path inside the project, without ..")
    return parse_local_path(text)
