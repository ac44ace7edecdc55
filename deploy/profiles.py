"""Profiles: the files and the environment that the settings of one come from."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.values.check import check, unknown
from deploy.values.dotenv import LIMIT, Parsed, parse, unread
from deploy.values.errors import InputError
from deploy.values.keys import ENVIRONMENT, PREFIX, Problem, Setting, in_order, is_secret
from deploy.values.known import is_key, nearest
from deploy.values.names import is_profile
from deploy.values.settings import Settings

EXAMPLE = ".env.example"
_MOST_SHOWN = 200
"""Problems; who has more has another problem."""
_PATHS = ("ssh_key", "ssh_known_hosts", "registry_ca")


@dataclass(frozen=True, kw_only=True)
class _File:
    """A settings file of a profile, as it was found."""

    name: str
    parsed: Parsed
    mode: int = 0
    committed: bool = False


def load(root: Path, profile: str, environ: Mapping[str, str]) -> Settings:
    """Read the settings of a profile: `.env`, `.env.<profile>`, `.env.<profile>.local`, then JARSHIP_<KEY>.

    Args:
        root: directory of the settings files.
        profile: name of the profile, as the user gave it.
        environ: the process environment.

    Returns:
        The settings. Paths of files (SSH_KEY and the like) are absolute; APP_SOURCE is as it was written.

    Raises:
        InputError: anything is wrong; its details name every problem as `file:line: KEY: what is wrong`.
    """
    name, notes = _profile_file(root, profile, environ)
    files = _read_files(root, name, "" if notes else f"{name}.local")
    given = _from_environment(environ)
    settings = [*(setting for file in files for setting in file.parsed.settings), *given]
    problems = [problem for file in files for problem in (*file.parsed.problems, *_wrong_file(file))]
    strange = [setting for setting in settings if not is_key(setting.key)][:_MOST_SHOWN]
    problems += map(unknown, strange)
    found = {setting.key: setting for setting in settings if is_key(setting.key)}
    meant = frozenset(nearest(setting.key) for setting in strange)
    mentioned = meant.union(*(file.parsed.mentioned for file in files))
    complete = all(file.parsed.complete for file in files)
    result, wrong = check(profile, found, home=name, mentioned=mentioned, complete=complete)
    problems += wrong
    if problems or result is None:
        raise _error(profile, problems)
    paths = {key: _absolute(root, path, environ) for key in _PATHS if (path := getattr(result, key))}
    return result.model_copy(update={"notes": notes, **paths})


def profiles(root: Path) -> tuple[str, ...]:
    """The profiles that have a settings file."""
    found = (path.name.removeprefix(".env.") for path in root.glob(".env.*") if path.is_file())
    return tuple(sorted(name for name in found if is_profile(name)))


def _profile_file(root: Path, profile: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The name of the profile's file, and what to say when it is `.env.example`.

    Raises:
        InputError: the name is none, or there is no such file.
    """
    if not is_profile(profile):
        raise InputError(f"unknown profile {profile!r}; profiles: {_listed(root)}")
    name = f".env.{profile}"
    if (root / name).is_file():
        return name, ()
    if profile == "dev" and _is_untouched(root, environ):
        note = f"There is no {name}: reading {EXAMPLE}, which deploys the example application to a sandbox."
        return EXAMPLE, (note,)
    raise InputError(
        f"no {name}; profiles: {_listed(root)}",
        why=_why_not(root / name) or _why_no_example(root, profile, environ),
        advice=f"cp {EXAMPLE} {name}   # then edit it",
    )


def _is_untouched(root: Path, environ: Mapping[str, str]) -> bool:
    """Whether nobody has set anything yet, so that `.env.example` may speak."""
    return (root / EXAMPLE).is_file() and not _touched(root, environ)


def _touched(root: Path, environ: Mapping[str, str]) -> Sequence[str]:
    """The files and variables by which somebody has set something.

    JARSHIP_SETUP does not count: it says what may be installed on this machine, not where to deploy to.
    """
    files = {path.name for path in root.glob(".env*") if path.name == ".env" or path.name.startswith(".env.")}
    given = {key for key in environ if key.startswith(PREFIX)}
    return (*sorted(files - {EXAMPLE}), *sorted(given - {f"{PREFIX}SETUP"}))


def _why_no_example(root: Path, profile: str, environ: Mapping[str, str]) -> str:
    if not (root / EXAMPLE).is_file():
        return ""
    if profile != "dev":
        return f"{EXAMPLE} is read for the profile dev only"
    return f"{EXAMPLE} is read where nothing else is set, and here is {', '.join(_touched(root, environ))}"


def _listed(root: Path) -> str:
    return ", ".join(profiles(root)) or "none"


def _why_not(path: Path) -> str:
    if path.is_dir():
        return f"{path.name} is a directory"
    if path.is_symlink() and not path.exists():
        return f"{path.name} is a link to nothing"
    return f"{path.name} is not a regular file" if path.exists() else ""


def _read_files(root: Path, name: str, local: str) -> Sequence[_File]:
    files = [_read_file(root, ".env")] if os.path.lexists(root / ".env") else []
    files.append(_read_file(root, name, committed=True))
    if local and os.path.lexists(root / local):
        files.append(_read_file(root, local))
    return files


def _read_file(root: Path, name: str, *, committed: bool = False) -> _File:
    try:
        # Without O_NONBLOCK opening a FIFO waits for a writer.
        descriptor = os.open(root / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 (of a descriptor)
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                return _unreadable(name, "is not a regular file", committed)
            data = file.read(LIMIT + 1)
    except OSError as error:
        return _unreadable(name, f"cannot be read: {error.strerror}", committed)
    return _File(name=name, parsed=parse(data, name, is_key=is_key), mode=mode, committed=committed)


def _unreadable(name: str, text: str, committed: bool) -> _File:
    return _File(name=name, parsed=unread(Problem(origin=name, text=text)), committed=committed)


def _wrong_file(file: _File) -> Sequence[Problem]:
    """What is wrong with settings by the file in which they are."""
    lines: dict[str, str] = {}
    problems: list[Problem] = []
    for setting in file.parsed.settings:
        if setting.key in lines:
            line = lines[setting.key].rpartition(":")[2]
            key = setting.key if is_key(setting.key) else ""
            problems.append(Problem(origin=setting.origin, key=key, text=f"already set on line {line}"))
        lines.setdefault(setting.key, setting.origin)
    secret = [setting for setting in file.parsed.settings if is_secret(setting.key) and is_key(setting.key)]
    if file.committed:
        return [*problems, *(_committed(file.name, setting) for setting in secret)]
    if secret and file.mode & 0o077:
        text = f"holds secrets and others may read or write it; chmod 600 {file.name}"
        problems.append(Problem(origin=file.name, text=text))
    return problems


def _committed(name: str, setting: Setting) -> Problem:
    text = f"no secrets in {name}, which is committed; move it to {name}.local or {PREFIX}{setting.key}"
    return Problem(origin=setting.origin, key=setting.key, text=text)


def _from_environment(environ: Mapping[str, str]) -> Sequence[Setting]:
    return [
        Setting(key=name.removeprefix(PREFIX), value=value, origin=ENVIRONMENT)
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX)
    ]


def _error(profile: str, problems: Sequence[Problem]) -> InputError:
    count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
    lines = [str(problem) for problem in in_order(problems)]
    more = len(lines) > _MOST_SHOWN
    return InputError(
        f"The settings of profile {profile} have {count}; nothing was contacted.",
        details=(*lines[:_MOST_SHOWN], *([f"… and {len(lines) - _MOST_SHOWN} more"] if more else [])),
    )


def _absolute(root: Path, path: str, environ: Mapping[str, str]) -> str:
    if path.startswith("~/"):
        return str(Path(environ.get("HOME", "/")) / path[2:])
    return str(root.resolve() / path)
