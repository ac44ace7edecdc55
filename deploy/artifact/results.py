"""The one executable Spring Boot jar among what a build made."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.artifact.boot_jar import BootJar, read_boot_jar
from deploy.values.errors import BuildError, Failure, InputError

_NOT_ENTERED = {"target", "build", "src", "node_modules"}
_NEVER = ("-plain", "-sources", "-javadoc", "-tests", "-test-sources", "-test-javadoc")

Stamp = tuple[int, int, int]
"""What changes when a file is written anew. Its time of change is the system's: a reproducible build sets the
time of modification to the same fixed date each time."""


@dataclass(frozen=True, kw_only=True)
class _Result:
    path: Path
    content: BootJar | None
    """None when it cannot be read."""
    problem: str = ""

    @property
    def executable(self) -> bool:
        return self.content is not None and self.content.executable

    @property
    def is_war(self) -> bool:
        return self.path.suffix == ".war" or (self.content is not None and self.content.launcher == "War")


def stamps(project: Path, pattern: str | None) -> dict[Path, Stamp]:
    """The jars and wars in a project's result directories, and those that JAR names, as they are now.

    Result directories are `target` and `build/libs`, in the project and in the modules below it.
    """
    found = {*_results(project), *_named(project, pattern)}
    return {path: stamp(path) for path in sorted(found) if path.is_file()}


def stamp(path: Path) -> Stamp:
    """What tells whether a file was written anew."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_ctime_ns


def choose(
    project: Path,
    pattern: str | None,
    before: Mapping[Path, Stamp],
    is_up_to_date: Callable[[Path], bool],
) -> tuple[Path, BootJar]:
    """The executable jar that a build made.

    Only a jar that the build wrote counts, so that one left by an earlier build is not taken for its result.
    A build that wrote no jar at all may have found everything up to date; then its one executable jar counts.

    Args:
        project: the project's directory.
        pattern: JAR of the settings.
        before: `stamps` before the build.
        is_up_to_date: whether a jar that the build left alone is what it would have made.

    Raises:
        InputError: several fit.
        BuildError: none fits; it says what was found.
    """
    now = stamps(project, pattern)
    wrote = any(before.get(path) != stamp for path, stamp in now.items())
    meant = {path: now[path] for path in now.keys() & _named(project, pattern)} if pattern else now
    written = [_read(path) for path, stamp in sorted(meant.items()) if before.get(path) != stamp]
    left = [_read(path) for path, stamp in sorted(meant.items()) if before.get(path) == stamp]
    fitting = [result for result in written if result.executable]
    if not wrote:
        fitting = [result for result in left if result.executable and is_up_to_date(result.path)]
    if len(fitting) > 1:
        raise _several(project, fitting)
    for result in fitting:
        if result.content:
            return result.path, result.content
    raise _none(project, pattern, written, left)


def _results(project: Path) -> Iterator[Path]:
    for directory, names, _ in os.walk(project):
        here = Path(directory)
        made = (here / "target", here / "build/libs")
        names[:] = [name for name in names if not name.startswith(".") and name not in _NOT_ENTERED]
        paths = (path for folder in made for suffix in ("jar", "war") for path in folder.glob(f"*.{suffix}"))
        yield from (path for path in paths if not path.stem.endswith(_NEVER))


def _named(project: Path, pattern: str | None) -> set[Path]:
    return set(project.glob(pattern)) if pattern else set()


def _read(path: Path) -> _Result:
    try:
        return _Result(path=path, content=read_boot_jar(path))
    except (ValueError, OSError) as error:
        return _Result(path=path, content=None, problem=str(error))


def _several(project: Path, results: list[_Result]) -> InputError:
    names = [str(result.path.relative_to(project)) for result in results]
    return InputError(
        f"{project} has {len(names)} executable Spring Boot jars.",
        why=", ".join(names),
        advice=f"Name the one to deploy: JAR={names[0]}",
    )


def _none(project: Path, pattern: str | None, written: list[_Result], left: list[_Result]) -> Failure:
    details = [f"{_told(project, result)}" for result in written]
    details += [f"{_told(project, result)}; not written by this build" for result in left]
    if any(result.is_war for result in written or left):
        return BuildError(
            "The build made a war, and only executable jars are deployed.",
            advice="Set the project's packaging to jar; Spring Boot then serves by itself.",
            details=details,
        )
    if not written and any(result.executable for result in left):
        return BuildError(
            "The build did not write the jar anew; what is there is of an earlier build.",
            advice="Let the build make it each time, as BUILD_COMMAND=./gradlew clean build; or correct JAR.",
            details=details,
        )
    looked = pattern or "target/*.jar and build/libs/*.jar, in modules too"
    return BuildError(
        "The build made no executable Spring Boot jar.",
        why=f"Looked for {looked} in {project}" if not details else "",
        advice="Spring Boot's plugin makes it (Maven: repackage, Gradle: bootJar). JAR may name it.",
        details=details,
    )


def _told(project: Path, result: _Result) -> str:
    name = result.path.relative_to(project)
    if result.content is None:
        return f"{name}: {result.problem}"
    if result.is_war:
        return f"{name}: a war"
    return f"{name}: {'executable' if result.executable else 'not made by Spring Boot'}"
