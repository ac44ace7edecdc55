"""Ask git what lies in a directory."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.child import environment
from deploy.values.errors import BuildError

# What `git rev-parse --local-env-vars` lists, less the configuration: set in a hook, it would turn every call
# here to the hook's repository. And what would print requests with their credentials.
_NOT_OURS = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_CURL_VERBOSE",
)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The commit that is checked out."""

    id: str
    at: str
    """The committer's date, ISO 8601 in UTC."""
    author: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a directory in a repository; names are relative to it."""

    tracked: tuple[str, ...]
    untracked: tuple[str, ...]
    """Those that git does not ignore. A name that ends in `/` is a repository of its own."""
    changed: bool
    """Whether a tracked file, or the commit of a submodule, differs from the commit that is checked out."""


def git_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for every call of git: nothing asks, nothing is translated, nothing is traced."""
    kept = {
        name: value
        for name, value in environment().items()
        if name not in _NOT_OURS and not name.startswith("GIT_TRACE")
    }
    return kept | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"} | dict(changes or {})


def ask(folder: Path, *arguments: str, changes: Mapping[str, str] | None = None) -> str:
    """What a git command prints, run in a directory.

    Args:
        folder: the directory.
        arguments: git's arguments.
        changes: what to add to the environment.

    Raises:
        BuildError: git is not there, or the command failed.
    """
    result = _call(folder, arguments, changes)
    if result.returncode != 0:
        words = result.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BuildError(
            f"git {_verb(arguments)} failed in {folder}.",
            why=words[0] if words else f"exit code {result.returncode}",
            advice=words[-1].strip() if words and "safe.directory" in words[-1] else "",
            details=words[1:],
        )
    return result.stdout.decode("utf-8", "surrogateescape")


def find(folder: Path, *arguments: str, changes: Mapping[str, str] | None = None) -> str:
    """What a git command prints on its one line; empty when its exit code says that there is nothing.

    Raises:
        BuildError: git is not there.
    """
    result = _call(folder, arguments, changes)
    return result.stdout.decode("utf-8", "surrogateescape").rstrip("\n") if result.returncode == 0 else ""


def is_in_repository(folder: Path) -> bool:
    """Whether the directory lies in a work tree; looked up without git, which may not be installed."""
    return any((parent / ".git").exists() for parent in (folder, *folder.parents))


def files(folder: Path) -> Files:
    """The files of a directory in a repository, submodules as one name each."""
    prefix = ask(folder, "rev-parse", "--show-prefix").removesuffix("\n")
    listed = ask(folder, "ls-files", "-z", "--cached")
    # What lies inside a submodule is asked of the submodule.
    states = ask(
        folder,
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=dirty",
        "--",
        ".",
    )
    entries = [(state[:2], state[3:].removeprefix(prefix)) for state in states.split("\0") if state]
    return Files(
        tracked=tuple(dict.fromkeys(name for name in listed.split("\0") if name)),
        untracked=tuple(name for state, name in entries if state == "??"),
        changed=any(state != "??" for state, _ in entries),
    )


def head(folder: Path) -> Commit | None:
    """The commit that is checked out; None in a repository without one."""
    if not find(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        return None
    printed = ask(folder, "log", "-1", "--no-show-signature", "--format=%H%x00%ct%x00%an%x00%s", "HEAD")
    commit, seconds, author, subject = printed.rstrip("\n").split("\0")
    return Commit(
        id=commit,
        at=datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z"),
        author=_readable(author),
        subject=_readable(subject),
    )


def _call(
    folder: Path, arguments: Sequence[str], changes: Mapping[str, str] | None
) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=git_environment(changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise BuildError(
            "git is not installed, and the application lies in a git repository.",
            advice="sudo apt-get install git",
        ) from error


def _readable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _verb(arguments: Sequence[str]) -> str:
    options = 2 * sum(argument == "-c" for argument in arguments)
    return arguments[options]
