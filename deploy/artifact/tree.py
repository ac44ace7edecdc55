"""The content of a project: a fingerprint of every file, and one hash over all."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.artifact import git
from deploy.values.errors import InputError

_GRADLE = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
_OUTPUTS = {
    "target": ("pom.xml",),
    "build": _GRADLE,
    ".gradle": _GRADLE,
    ".kotlin": _GRADLE,
    "node_modules": ("package.json",),
}
"""Directories that builds make, each with the files one of which lies beside it then."""

ABSENT = "160000 absent"
"""The fingerprint of a submodule that was not checked out."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """What lies in a directory."""

    fingerprints: Mapping[str, str]
    """By name relative to the directory: git's mode for the kind of file, and the SHA-256 of its content."""
    commit: git.Commit | None
    dirty: bool
    """Whether it differs from the commit; False without one."""

    @property
    def content_hash(self) -> str:
        """SHA-256 over names, kinds and contents, hexadecimal; where the directory lies does not matter."""
        total = hashlib.sha256()
        for name in sorted(self.fingerprints):
            total.update(f"{self.fingerprints[name]} {name}\0".encode("utf-8", "surrogateescape"))
        return total.hexdigest()


def read_tree(folder: Path) -> Tree:
    """Read a directory.

    In a git repository these are the tracked files and the untracked ones that git does not ignore,
    submodules included; everywhere else all files and links but `.git`. Outputs of builds never count, unless
    git tracks them: `target` beside a pom.xml, `build`, `.gradle` and `.kotlin` beside a Gradle file,
    `node_modules` beside a package.json. A directory in which git tracks nothing does not belong to the
    repository around it.

    Raises:
        InputError: a file cannot be read.
        BuildError: git failed, or is not installed and needed.
    """
    listing = _list(folder)
    commit = git.head(folder) if listing.by_git else None
    return Tree(
        fingerprints=dict(_fingerprints(folder, listing.names)),
        commit=commit,
        dirty=listing.differs and commit is not None,
    )


@dataclass(frozen=True, kw_only=True)
class _Listing:
    names: tuple[str, ...]
    differs: bool = False
    by_git: bool = False


def _list(folder: Path) -> _Listing:
    found = git.files(folder) if git.is_in_repository(folder) else None
    if found is None or not found.tracked:
        return _Listing(names=tuple(_walk(folder, "")))
    untracked = [name for name in found.untracked if not _is_output(folder, name)]
    names: list[str] = []
    differs = found.changed or bool(untracked)
    for name in (*found.tracked, *untracked):
        inner = folder / name
        if (inner / ".git").exists() and not inner.is_symlink():
            below = _list(inner)
            names += [f"{name.rstrip('/')}/{file}" for file in below.names]
            differs = differs or below.differs
        else:
            names.append(name)
    return _Listing(names=tuple(names), differs=differs, by_git=True)


def _walk(top: Path, prefix: str) -> Iterator[str]:
    """Names of all files and links below a directory, less outputs and what belongs to git."""
    with os.scandir(top / prefix) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.name == ".git" or _is_output_directory(top / prefix, entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(top, name + "/")
            elif entry.is_symlink() or entry.is_file():
                yield name


def _is_output(folder: Path, name: str) -> bool:
    """Whether a file lies in a directory that builds make."""
    directories = name.rstrip("/").split("/") if name.endswith("/") else name.split("/")[:-1]
    parent = folder
    for directory in directories:
        if _is_output_directory(parent, directory):
            return True
        parent /= directory
    return False


def _is_output_directory(parent: Path, name: str) -> bool:
    return any((parent / file).exists() for file in _OUTPUTS.get(name, ()))


def _fingerprints(folder: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        try:
            if fingerprint := _fingerprint(folder / name):
                yield name, fingerprint
        except FileNotFoundError:
            continue  # tracked and deleted
        except OSError as error:
            raise InputError(
                f"{folder / name} cannot be read.",
                why=str(error.strerror),
                advice="Everything that the application is built from must be readable.",
            ) from error


def _fingerprint(path: Path) -> str:
    """Mode as git has it and SHA-256; empty for what is neither file, link nor submodule."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return f"120000 {hashlib.sha256(os.fsencode(path.readlink())).hexdigest()}"
    if stat.S_ISDIR(status.st_mode):
        return ABSENT
    if not stat.S_ISREG(status.st_mode):
        return ""
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{'100755' if status.st_mode & stat.S_IXUSR else '100644'} {content}"
