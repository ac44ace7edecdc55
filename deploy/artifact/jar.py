"""From source to the jar that is deployed."""

import fcntl
import hashlib
import signal
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy import child
from deploy.artifact import results, source
from deploy.artifact.boot_jar import BootJar
from deploy.artifact.build_command import Command, build_command
from deploy.artifact.java import java_version
from deploy.artifact.tree import Tree
from deploy.files import write_atomically
from deploy.output.mask import Mask
from deploy.values.build import Build, Jar
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from deploy.values.settings import Settings

STEP = "jar"
LOG = Path("build/logs/jar.log")
"""Where the output of the last build lies, below the root."""

_RECORD = Path("build/jar.json")
_LOCK = Path("build/jar.lock")
_LAST_LINES = 30
_NAMES_SHOWN = 5


class _Inputs(BaseModel):
    """What a jar depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    project: str
    content_hash: str
    command: str
    jdk: str
    pattern: str | None


class _Record(BaseModel):
    """The last jar that was built, and from what."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    inputs: _Inputs
    jar: Jar


@dataclass(frozen=True, kw_only=True)
class _Project:
    """A project that is about to be built."""

    settings: Settings
    root: Path
    stream: Stream
    folder: Path
    command: Command
    env: Mapping[str, str]
    lock: int
    """Descriptor of the lock on builds here."""

    def inputs(self, tree: Tree) -> _Inputs:
        return _Inputs(
            project=str(self.folder),
            content_hash=tree.content_hash,
            command=self.command.shown,
            jdk=java_version(self.env),
            pattern=self.settings.jar,
        )


def build_jar(settings: Settings, root: Path, *, force: bool, stream: Stream) -> Build:
    """Fetch the source and build its jar, unless the jar is there and nothing it depends on has changed.

    It depends on the content of the source, the command, the JDK, and on itself: a jar that somebody replaced
    is built again. The build's output goes to the stream and to `build/logs/jar.log`. One build runs in a
    clone of this repository at a time; a second one waits.

    Args:
        settings: where the source is, BUILD_COMMAND, APP_DIR and JAR.
        root: this repository.
        force: build also when nothing changed.
        stream: told what happens.

    Returns:
        A build with source and jar.

    Raises:
        InputError: there is no source, or it is not clear what builds it or which jar is meant.
        BuildError: git, a missing tool, the build itself, or no executable jar came out of it.
    """
    with _alone(root, stream) as lock:
        tree = source.fetch_tree(settings, root, stream)
        project = _project(settings, root, stream, lock)
        record = _read_record(root)
        if not force and record and record.inputs == project.inputs(tree) and _is_there(root, record.jar):
            stream.note(f"{record.jar.path} is up to date", step=STEP)
            jar = record.jar
        else:
            tree, jar = _build(project, tree, record)
        return Build(app=settings.app_name, source=source.describe(settings, root, tree), jar=jar)


def _project(settings: Settings, root: Path, stream: Stream, lock: int) -> _Project:
    env = child.environment()
    folder = source.project_directory(settings, root)
    command = build_command(settings, source.source_directory(settings, root), folder, env)
    return _Project(
        settings=settings, root=root, stream=stream, folder=folder, command=command, env=env, lock=lock
    )


def _build(project: _Project, tree: Tree, record: _Record | None) -> tuple[Tree, Jar]:
    """Build, and find the jar; the tree is the one that the next steps will find."""
    inputs = project.inputs(tree)
    pattern = project.settings.jar
    with project.stream.step(STEP, f"Build the jar: {project.command.shown}"):
        before = results.stamps(project.folder, pattern)
        _run(project)

        path, content = results.choose(
            project.folder, pattern, before, lambda path: _is_up_to_date(path, project, tree, record)
        )
        if before.get(path) == results.stamp(path):
            project.stream.note(f"The build left {path.name} as it was: up to date", step=STEP)
        jar = _describe(project.root, path, content)
        tree, content_hash = _after(project, tree)
        kept = _Record(inputs=inputs.model_copy(update={"content_hash": content_hash}), jar=jar)
        write_atomically(project.root / _RECORD, kept.model_dump_json(indent=2) + "\n")
    return tree, jar


def _run(project: _Project) -> None:
    """Run the command; its output to the stream, and masked to the log."""
    log = project.root / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    mask = Mask(project.settings.secret_values())
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with log.open("w", encoding="utf-8", errors="replace", buffering=1) as file:

        def tell(line: str) -> None:
            last.append(mask(line))
            file.write(last[-1] + "\n")
            project.stream.output(line, step=STEP)

        try:
            command = project.command
            code = child.run(
                command.argv, cwd=command.cwd, env=project.env, line=tell, inherit=(project.lock,)
            )
        except OSError as error:
            raise BuildError(
                f"{project.command.shown} cannot be started.", why=str(error), step=STEP
            ) from error
    if code != 0:
        raise BuildError(
            f"The build failed: {project.command.shown}",
            why=f"exit code {code}" if code > 0 else f"ended by signal {-code}: {signal.strsignal(-code)}",
            advice=f"Read its whole output: less {LOG}",
            step=STEP,
            details=tuple(last),
        )


def _after(project: _Project, before: Tree) -> tuple[Tree, str]:
    """The source as the build left it, and the content hash that the next call is to compare with.

    Builds leave files that git does not ignore, and rewrite tracked ones, such as a package-lock.json: the
    next steps must find the source that is recorded. Whether it was the build that changed a file, or
    somebody meanwhile, cannot be told: then the next call builds again.
    """
    after = source.read_source(project.settings, project.root).fingerprints
    old = before.fingerprints
    tree = Tree(fingerprints=after, commit=before.commit, dirty=before.dirty)
    if changed := [name for name, fingerprint in old.items() if after.get(name) != fingerprint]:
        told = (
            f"Changed while the jar was built: {_some(changed)}. What was not the build's may not be in it."
        )
        project.stream.warning(told, step=STEP)
        return tree, before.content_hash
    if new := [name for name in after if name not in old]:
        project.stream.warning(f"The build left files that git does not ignore: {_some(new)}", step=STEP)
    return tree, tree.content_hash


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(sorted(names)[:_NAMES_SHOWN]) + more


def _is_up_to_date(path: Path, project: _Project, tree: Tree, record: _Record | None) -> bool:
    """Whether a jar that the build left alone is what it would have made.

    It is when this command made it before; when it belongs to the source; or when it came after everything
    in the source.
    """
    if record and record.inputs.command == project.command.shown and _is_same(path, project.root, record.jar):
        return True
    folder = source.source_directory(project.settings, project.root)
    files = [folder / name for name in tree.fingerprints]
    return path in files or path.stat().st_ctime_ns > max(
        (file.lstat().st_ctime_ns for file in files if file.is_file()), default=0
    )


def _describe(root: Path, path: Path, content: BootJar) -> Jar:
    inside = path.is_relative_to(root.resolve())
    return Jar(
        path=str(path.relative_to(root.resolve()) if inside else path),
        sha256=_sha256(path),
        size=path.stat().st_size,
        version=content.version,
        boot_version=content.boot_version,
        start_class=content.start_class,
        layers=content.layers,
        actuator=content.actuator,
    )


def _is_there(root: Path, jar: Jar) -> bool:
    path = root / jar.path
    return path.is_file() and path.stat().st_size == jar.size and _sha256(path) == jar.sha256


def _is_same(path: Path, root: Path, jar: Jar) -> bool:
    return path == (root / jar.path).resolve() and _is_there(root, jar)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_record(root: Path) -> _Record | None:
    """What is remembered of the last build; nothing when it cannot be read: then the jar is built."""
    try:
        return _Record.model_validate_json((root / _RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


@contextmanager
def _alone(root: Path, stream: Stream) -> Iterator[int]:
    """Wait for another build in this clone, then hold the lock; yields its descriptor.

    Whoever has the descriptor holds the lock: this process, and the build's command. So the build of a
    process that was killed keeps the lock until it has ended too.
    """
    path = root / _LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.note("Waiting for another build in this directory", step=STEP)
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield file.fileno()
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
