"""What the engine gets for a project's own Dockerfile: the project's files, the jar, and no secrets.

As `docker build -f DOCKERFILE APP_DIR` would see it, .dockerignore heeded, but for what git ignores, what
builds leave, and files that hold settings or keys: these never get to an engine, whatever a COPY says.
"""

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from docker.utils.build import PatternMatcher

from deploy.artifact.secret_scan import holds_private_key
from deploy.artifact.tree import ABSENT, read_tree
from deploy.values.build import Build

IGNORE = ".dockerignore"
_NEVER = re.compile(
    r"\.env(\..*)?|\.git|\.ssh|\.aws|\.gnupg|\.jarship|\.netrc|\.git-credentials|id_(rsa|dsa|ecdsa|ed25519)"
    r"|.*\.(key|p12|pfx|jks|keystore)"
)
"""Names of files and directories that hold settings or keys."""
_SMALL = 2**20
"""Bytes; a file that holds a key as text is smaller."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file or a link of a build context."""

    name: str
    path: Path
    fingerprint: str
    """As `Tree.fingerprints`."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """A build context before it is written."""

    members: tuple[Member, ...]
    left_out: tuple[str, ...]
    """What holds settings or keys."""

    @property
    def hash(self) -> str:
        """SHA-256 over names, kinds and contents."""
        content = [(member.name, member.fingerprint) for member in self.members]
        return hashlib.sha256(json.dumps(content).encode("utf-8", "surrogateescape")).hexdigest()


def collect(
    source: Path, project: Path, build: Build, jar: Path, *, dockerfile: str, beside: bool
) -> Context:
    """Choose what belongs into the context of a project's own Dockerfile.

    Args:
        source: the directory of the whole source.
        project: the project's, the same or below; the context's root.
        build: with its jar's hash.
        jar: the jar, which is in the context where it lies, whatever is ignored.
        dockerfile: its path in the project; in the context too.
        beside: put the jar into the context's root as well.

    Raises:
        InputError: a file cannot be read.
    """
    prefix = "" if project == source else f"{project.relative_to(source).as_posix()}/"
    tree = read_tree(source).fingerprints
    names = {name.removeprefix(prefix): mark for name, mark in tree.items() if name.startswith(prefix)}
    ignored = _matcher(project)
    members: dict[str, Member] = {}
    left_out: list[str] = []
    for name in sorted(names):
        if names[name] == ABSENT or ignored.matches(name):
            continue
        if _is_secret(name, project / name):
            left_out.append(name)
        else:
            members[name] = Member(name=name, path=project / name, fingerprint=names[name])
    members |= _always(project, build, jar, dockerfile, beside=beside)
    return Context(members=tuple(members[name] for name in sorted(members)), left_out=tuple(left_out))


def jar_name(project: Path, jar: Path) -> str:
    """The jar's path in the context."""
    return jar.relative_to(project).as_posix() if jar.is_relative_to(project) else jar.name


def write_context(context: Context, path: Path, time: int) -> Path:
    """Write a context as a tar; all of it gets one time, so that the same files give the same layers.

    Args:
        context: what is in it.
        path: where to write it.
        time: seconds since the epoch.
    """
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for directory in _directories([member.name for member in context.members]):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, time
            tar.addfile(entry)
        for member in context.members:
            _add(tar, member, time)
    return path


def _always(project: Path, build: Build, jar: Path, dockerfile: str, *, beside: bool) -> dict[str, Member]:
    content = hashlib.sha256((project / dockerfile).read_bytes()).hexdigest()
    mark = f"100644 {build.jar.sha256}"
    names = {jar_name(project, jar), *({jar.name} if beside else ())}
    return {
        dockerfile: Member(name=dockerfile, path=project / dockerfile, fingerprint=f"100644 {content}"),
        **{name: Member(name=name, path=jar, fingerprint=mark) for name in names},
    }


def _matcher(project: Path) -> Any:
    try:
        lines = (project / IGNORE).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return PatternMatcher([line.strip() for line in lines if line.strip() and not line.startswith("#")])


def _is_secret(name: str, path: Path) -> bool:
    if any(_NEVER.fullmatch(part) for part in name.split("/")):
        return True
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _SMALL:
        return False
    return holds_private_key(path.read_bytes())


def _directories(names: Sequence[str]) -> Iterator[str]:
    found = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    yield from sorted(found - {"."})


def _add(tar: tarfile.TarFile, member: Member, time: int) -> None:
    entry = tarfile.TarInfo(member.name)
    mode, _, _ = member.fingerprint.partition(" ")
    entry.mtime = time
    if mode == "120000":
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, str(member.path.readlink()), 0o777
        tar.addfile(entry)
        return
    entry.mode = 0o755 if mode == "100755" else 0o644
    with member.path.open("rb") as content:
        entry.size = member.path.stat().st_size
        tar.addfile(entry, content)
