"""The command that builds a project: BUILD_COMMAND, or what the project has."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deploy.artifact.java import java_version
from deploy.values.errors import BuildError, InputError
from deploy.values.settings import Settings

_Kind = Literal["gradle", "maven"]

_WRAPPERS: Mapping[str, _Kind] = {"gradlew": "gradle", "mvnw": "maven"}
_FILES: Mapping[str, _Kind] = {
    "build.gradle": "gradle",
    "build.gradle.kts": "gradle",
    "settings.gradle": "gradle",
    "settings.gradle.kts": "gradle",
    "pom.xml": "maven",
}
_TOOLS: Mapping[_Kind, str] = {"gradle": "gradle", "maven": "mvn"}
_ARGUMENTS: Mapping[_Kind, tuple[str, ...]] = {"gradle": ("clean", "build"), "maven": ("-B", "package")}
_MODULE = re.compile(r"<module>\s*([^<]+?)\s*</module>")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command and where it runs."""

    argv: tuple[str, ...]
    cwd: Path
    shown: str
    """As a person would type it there."""


def build_command(settings: Settings, source: Path, project: Path, env: Mapping[str, str]) -> Command:
    """Find the command for a project.

    BUILD_COMMAND is given to `sh -c` in the project's directory. Without it the project's wrapper is called,
    `./gradlew clean build` or `./mvnw package`; a module (APP_DIR) may have it in a directory above, up to
    the source's. A project with a build file and no wrapper is built by the installed `gradle` or `mvn`.
    A module of a Maven project is built from the project that names it, with the modules it needs.

    Args:
        settings: BUILD_COMMAND.
        source: the directory of the whole source.
        project: the directory of the project, the same or below.
        env: the environment that the command will have.

    Raises:
        InputError: the project has both wrappers, or both build files, or neither.
        BuildError: a tool that is needed is not installed.
    """
    if settings.build_command:
        return Command(argv=("sh", "-c", settings.build_command), cwd=project, shown=settings.build_command)
    kind = _kind(project)
    directories = [project, *(parent for parent in project.parents if parent.is_relative_to(source))]
    if not java_version(env):
        raise _without_java(env)
    program = _wrapper(kind, directories) or _tool(kind, env)
    if kind == "maven" and (reactor := _reactor(directories)):
        module = ("-pl", os.path.relpath(project, reactor), "-am")
        return _command(program, (*_ARGUMENTS[kind], *module), reactor)
    return _command(program, _ARGUMENTS[kind], project)


def _kind(project: Path) -> _Kind:
    """What builds the project; wrappers decide before build files."""
    for names in (_WRAPPERS, _FILES):
        found = [name for name in names if (project / name).is_file()]
        kinds = {names[name] for name in found}
        if len(kinds) > 1:
            raise InputError(
                f"{project} can be built in two ways: it has {' and '.join(found)}.",
                advice="Set BUILD_COMMAND, as BUILD_COMMAND=./gradlew clean build",
            )
        if kinds:
            return kinds.pop()
    raise InputError(
        f"{project} has nothing that builds it.",
        why=f"Looked for {', '.join([*_WRAPPERS, *_FILES])}",
        advice="Set APP_DIR to the project's directory inside the source, or BUILD_COMMAND to its command.",
    )


def _wrapper(kind: _Kind, directories: list[Path]) -> Path | None:
    wrappers = [
        directory / name for directory in directories for name in _WRAPPERS if _WRAPPERS[name] == kind
    ]
    return next((wrapper for wrapper in wrappers if wrapper.is_file()), None)


def _tool(kind: _Kind, env: Mapping[str, str]) -> str:
    tool = _TOOLS[kind]
    if shutil.which(tool, path=env.get("PATH")):
        return tool
    package = "gradle" if kind == "gradle" else "maven"
    wrapper = "gradle wrapper" if kind == "gradle" else "mvn wrapper:wrapper"
    raise BuildError(
        f"{tool} is not installed, and the project has no wrapper.",
        advice=f"sudo apt-get install {package}   # or commit a wrapper to the project: {wrapper}",
    )


def _without_java(env: Mapping[str, str]) -> BuildError:
    home = env.get("JAVA_HOME")
    return BuildError(
        "There is no JDK to build with.",
        why=f"JAVA_HOME={home} has no bin/java" if home else "No java is in PATH, and JAVA_HOME is not set",
        advice="sudo apt-get install default-jdk-headless",
    )


def _reactor(directories: list[Path]) -> Path | None:
    """The outermost directory above the project whose pom.xml leads to it; None when there is none."""
    project, *above = directories
    return next((directory for directory in reversed(above) if project in _modules(directory)), None)


def _modules(directory: Path) -> set[Path]:
    """The directories of all modules below a pom.xml, however deep."""
    pom = directory / "pom.xml"
    if not pom.is_file():
        return set()
    named = {(directory / name).resolve() for name in _MODULE.findall(pom.read_text(errors="replace"))}
    named = {path.parent if path.is_file() else path for path in named}
    below = {path for path in named if path.is_relative_to(directory) and path != directory}
    return below.union(*(_modules(path) for path in below))


def _command(program: Path | str, arguments: tuple[str, ...], cwd: Path) -> Command:
    if isinstance(program, str):
        argv: tuple[str, ...] = (program, *arguments)
    else:
        relative = os.path.relpath(program, cwd)
        start = relative if relative.startswith("..") else f"./{relative}"
        argv = (start, *arguments) if os.access(program, os.X_OK) else ("sh", start, *arguments)
    return Command(argv=argv, cwd=cwd, shown=shlex.join(argv))
