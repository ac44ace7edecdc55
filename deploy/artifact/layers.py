"""A Spring Boot jar, unpacked into one deterministic tar for each layer of its image.

The same jar gives the same bytes on every machine: names sorted, times fixed, owner numeric, every directory
on the way included. What changes at another rate lies in another tar, so that a release sends what changed.
"""

import calendar
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from deploy.artifact.boot_jar import MANIFEST, parse_manifest, read_layers
from deploy.values.errors import BuildError

DEPENDENCIES = "dependencies"
LOADER = "spring-boot-loader"
SNAPSHOTS = "snapshot-dependencies"
APPLICATION = "application"
LAYERS = (DEPENDENCIES, LOADER, SNAPSHOTS, APPLICATION)
"""Spring Boot's own layers, in the order of an image: what changes least comes first."""
HOME = "home"
"""One more tar: the directory that the application's user owns."""

APP_DIRECTORY = "app"
HOME_DIRECTORY = "home/app"
USER = 10001
"""uid and gid of the application; above the ids that distributions give out."""
FIXED_TIME = calendar.timegm((1980, 1, 1, 0, 0, 0))
"""Seconds since the epoch; the earliest time that a zip entry can have."""


@dataclass(frozen=True, kw_only=True)
class LayerTar:
    """One tar, to be added at the root of an image."""

    name: str
    path: Path
    size: int
    """Bytes of the files in it."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """A jar's files by layer, before they are written."""

    main_class: str
    """The launcher that starts the unpacked jar: its manifest's Main-Class."""
    indexed: bool
    """Whether the jar has a layers index; without one everything is in the application's layer."""
    files: Mapping[str, tuple[str, ...]]
    """Layer -> names in the jar, sorted."""
    newest: int
    """The latest time of an application class or resource in the jar, seconds since the epoch."""


def split_jar(jar: Path) -> Split:
    """Sort a jar's files into the layers of an image.

    Layers that a custom index has besides Spring Boot's own become part of the application's layer.

    Raises:
        BuildError: it is not a jar that Spring Boot's launcher starts, or a name in it leads out of it.
    """
    try:
        with zipfile.ZipFile(jar) as archive:
            names = sorted({entry.filename for entry in archive.infolist() if not entry.is_dir()})
            manifest = parse_manifest(archive.read(MANIFEST)) if MANIFEST in names else {}
            index = read_layers(archive, manifest)
            newest = max(map(_time, _application_entries(archive)), default=FIXED_TIME)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BuildError(
            f"The jar {jar} cannot be read.", why=str(error), advice="Build it again: invoke jar --force"
        ) from error
    _refuse_stray(names, jar)
    if "Main-Class" not in manifest:
        raise BuildError(
            f"The jar {jar} cannot be started: its manifest names no Main-Class.",
            advice="Let Spring Boot's plugin make it (Gradle: bootJar; Maven: spring-boot-maven-plugin).",
        )
    return Split(
        main_class=manifest["Main-Class"],
        indexed=bool(index),
        files=_by_layer(names, index),
        newest=newest,
    )


def write_layers(jar: Path, split: Split, into: Path, application_time: int) -> tuple[LayerTar, ...]:
    """Write one tar for each layer, and the one of the user's own directory, into a directory.

    Args:
        jar: the jar that was split.
        split: its files by layer.
        into: an existing directory; the files are called `<layer>.tar`.
        application_time: the time that the application's own files get, in seconds since the epoch. Spring
            sends it as the Last-Modified of static resources, and browsers keep what seems old for long; so
            it must move with the content, while everything else has one time for all builds.
    """
    tars = [write_home(into / f"{HOME}.tar")]
    with zipfile.ZipFile(jar) as archive:
        for layer in LAYERS:
            time = application_time if layer == APPLICATION else FIXED_TIME
            files = {name: content_of(archive, name) for name in split.files[layer]}
            tars.append(write_layer(files, into / f"{layer}.tar", time))
    return tuple(tars)


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file of a layer holds."""

    size: int
    """Bytes."""
    open: Callable[[], IO[bytes]]


def content_of(archive: zipfile.ZipFile, name: str) -> Content:
    """A file of an open jar."""
    return Content(size=archive.getinfo(name).file_size, open=lambda: archive.open(name))


def write_layer(files: Mapping[str, Content], path: Path, time: int) -> LayerTar:
    """Write one layer's tar, called `<layer>.tar`.

    Args:
        files: by their path below the application's directory, in the tar's order.
        path: where to.
        time: what every file gets, in seconds since the epoch; directories have one for all builds.
    """
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for directory in _directories(files):
            tar.addfile(_directory(directory))
        for name, file in files.items():
            member = tarfile.TarInfo(f"{APP_DIRECTORY}/{name}")
            member.mode, member.mtime, member.size = 0o644, time, file.size
            with file.open() as content:
                tar.addfile(member, content)
    return LayerTar(name=path.stem, path=path, size=sum(file.size for file in files.values()))


def _by_layer(
    names: Sequence[str], index: Sequence[tuple[str, tuple[str, ...]]]
) -> Mapping[str, tuple[str, ...]]:
    sorted_in: dict[str, list[str]] = {layer: [] for layer in LAYERS}
    for name in names:
        sorted_in[_layer_of(name, index)].append(name)
    return {layer: tuple(found) for layer, found in sorted_in.items()}


def _layer_of(name: str, index: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    """The first layer of the index that names the file or a directory above it, as Spring Boot decides."""
    for layer, contents in index:
        if any(
            name == content or (content.endswith("/") and name.startswith(content)) for content in contents
        ):
            return layer if layer in LAYERS else APPLICATION
    return APPLICATION


def _refuse_stray(names: Iterable[str], jar: Path) -> None:
    for name in names:
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise BuildError(
                f"The jar {jar} holds a file that would be unpacked outside of it.",
                why=f"its name is {name!r}",
                advice="Find the build step or dependency that puts it there.",
            )


def _application_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [entry for entry in archive.infolist() if "-INF/classes/" in entry.filename]


def _time(entry: zipfile.ZipInfo) -> int:
    return max(FIXED_TIME, calendar.timegm(entry.date_time))


def write_home(path: Path) -> LayerTar:
    """Write the tar of the directory that the application's user owns."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_directory("home"))
        home = _directory(HOME_DIRECTORY)
        home.uid = home.gid = USER
        tar.addfile(home)
    return LayerTar(name=HOME, path=path, size=0)


def _directories(names: Iterable[str]) -> list[str]:
    """Every directory above the names, from the application's own down."""
    above = {APP_DIRECTORY}
    for name in names:
        parents = PurePosixPath(APP_DIRECTORY, name).parents
        above.update(str(parent) for parent in parents if str(parent) != ".")
    return sorted(above)


def _directory(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = tarfile.DIRTYPE, 0o755, FIXED_TIME
    return member
