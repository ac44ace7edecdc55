"""Whether the lock files are what pyproject.toml asks for, told without network.

The installed packages' own metadata say what each of them requires. So what a lock must hold is known here:
the packages of pyproject.toml and, from each to the next, what they require.

Run as a module it prints what is wrong.
"""

import functools
import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Lookup = Callable[[str], list[str]]
"""The requirements of an installed package, by its name; empty for one that is not installed here."""


def installed(name: str) -> list[str]:
    """What an installed package requires; a package for another platform has nothing to say here."""
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def problems(root: Path, lookup: Lookup = installed) -> list[str]:
    """Everything that `nox -s lock` would change, one sentence each; empty when the locks are right."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    runtime = [Requirement(text) for text in project["dependencies"]]
    dev = [Requirement(text) for text in project["optional-dependencies"]["dev"]]
    locked = read_lock(root / "requirements.lock")
    locked_dev = read_lock(root / "requirements-dev.lock")
    differing = [
        f"requirements-dev.lock: {name} is {locked_dev.get(name)}, but {version} in requirements.lock"
        for name, version in locked.items()
        if locked_dev.get(name) != version
    ]
    return [
        *_against("requirements.lock", runtime, locked, lookup),
        *_against("requirements-dev.lock", [*runtime, *dev], locked_dev, lookup),
        *differing,
    ]


def read_lock(path: Path) -> dict[str, str]:
    """Name and version of every package of a lock file.

    Raises:
        ValueError: a package is not pinned, or has no hash.
    """
    text = path.read_text().replace("\\\n", " ")
    packages: dict[str, str] = {}
    for line in filter(None, (line.split("#")[0].strip() for line in text.splitlines())):
        found = re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)", line)
        if not found or "--hash=sha256:" not in line:
            raise ValueError(f"{path.name}: not pinned with a hash: {line[:60]}")
        packages[canonicalize_name(found[1])] = found[2]
    return packages


def _against(name: str, wanted: list[Requirement], locked: dict[str, str], lookup: Lookup) -> list[str]:
    unmet = [
        f"{name}: {requirement} is not met by {locked.get(canonicalize_name(requirement.name), 'anything')}"
        for requirement in wanted
        if not _meets(requirement, locked)
    ]
    needed = _closure(wanted, lookup, everywhere=False)
    allowed = _closure(wanted, lookup, everywhere=True)
    missing = [f"{name}: {package} is needed and missing" for package in sorted(needed - locked.keys())]
    extra = [f"{name}: {package} is needed by nothing" for package in sorted(locked.keys() - allowed)]
    return [*unmet, *missing, *extra]


def _meets(requirement: Requirement, locked: dict[str, str]) -> bool:
    version = locked.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _closure(wanted: Iterable[Requirement], lookup: Lookup, *, everywhere: bool) -> set[str]:
    """The packages that requirements lead to: on this platform, or on every platform."""
    seen: set[tuple[str, str]] = set()
    todo = [(canonicalize_name(r.name), extra) for r in wanted for extra in ("", *r.extras)]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in map(_requirement, lookup(name)):
            if _applies(requirement, extra, everywhere=everywhere):
                child = canonicalize_name(requirement.name)
                todo += [(child, part) for part in ("", *requirement.extras)]
    return {name for name, _ in seen}


@functools.cache
def _requirement(text: str) -> Requirement:
    """Read once: the same packages are met again and again."""
    return Requirement(text)


def _applies(requirement: Requirement, extra: str, *, everywhere: bool) -> bool:
    if requirement.marker is None:
        return True
    if everywhere and "extra" not in str(requirement.marker):
        return True
    platforms = ("linux", "darwin", "win32") if everywhere else (sys.platform,)
    return any(requirement.marker.evaluate({"extra": extra, "sys_platform": name}) for name in platforms)


if __name__ == "__main__":
    found = problems(Path(__file__).parents[2])
    sys.exit("\n".join([*found, "The locks do not fit pyproject.toml: nox -s lock"]) if found else 0)
