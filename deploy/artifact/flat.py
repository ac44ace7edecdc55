"""A Spring Boot jar as an ordinary jar beside its libraries, which is what Java shares class data of.

Java writes class data of jars on its class path only, neither of directories nor of jars in a jar (the `java`
command's reference, "Application Class Data Sharing"). The layout is the one of Spring Boot's own `java
-Djarmode=tools -jar app.jar extract` (3.3 and newer): `app.jar` with the application's own classes, whose
manifest names the libraries in `lib/`. It is made here so that the same jar gives the same bytes anywhere.
"""

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from deploy.artifact.boot_jar import MANIFEST, parse_manifest
from deploy.artifact.layers import (
    APPLICATION,
    DEPENDENCIES,
    FIXED_TIME,
    HOME,
    SNAPSHOTS,
    Content,
    LayerTar,
    Split,
    content_of,
    write_home,
    write_layer,
)

JAR = "app.jar"
LIBRARIES = "lib/"
_LOADER = "org/springframework/boot/loader/"
_LOADERS_SERVICE = "META-INF/services/java.nio.file.spi.FileSystemProvider"
_JAR_MODE = re.compile(r"spring-boot-jarmode-[^/]*\.jar")
_INDEXED = re.compile(r'- "(.+)"')
_LINE = 72
"""Bytes of a manifest's line, without its end: JAR File Specification."""
_LAUNCHERS_OWN = re.compile(r"Start-Class|Spring-Boot-.*|Main-Class|Class-Path|Manifest-Version")


def write_flat(jar: Path, split: Split, into: Path, application_time: int) -> tuple[LayerTar, ...]:
    """Write the tars of an image's layers, the lowest first.

    Args:
        jar: the jar that was split.
        split: its files by layer.
        into: an existing directory.
        application_time: as `write_layers` takes it; here `app.jar` has it, which Spring takes for all in it.
    """
    application = into / JAR
    tars = [write_home(into / f"{HOME}.tar")]
    with zipfile.ZipFile(jar) as archive:
        manifest = parse_manifest(archive.read(MANIFEST))
        libraries = _libraries(archive, manifest)
        _write_jar(archive, manifest, libraries, application)
        for layer in (DEPENDENCIES, SNAPSHOTS, APPLICATION):
            here = [name for name in libraries if name in split.files[layer]]
            files = {LIBRARIES + _base(name): content_of(archive, name) for name in here}
            time = FIXED_TIME
            if layer == APPLICATION:
                time = application_time
                files = {JAR: _content_of_file(application)} | files
            tars.append(write_layer(files, into / f"{layer}.tar", time))
    return tuple(tars)


def _content_of_file(path: Path) -> Content:
    return Content(size=path.stat().st_size, open=lambda: path.open("rb"))


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _libraries(archive: zipfile.ZipFile, manifest: Mapping[str, str]) -> Sequence[str]:
    """The libraries in a jar, in the order of its class path: as its index says, others before them."""
    where = manifest.get("Spring-Boot-Lib", "BOOT-INF/lib/")
    there = [
        name
        for name in sorted(archive.namelist())
        if name.startswith(where) and not name.endswith("/") and not _JAR_MODE.fullmatch(_base(name))
    ]
    index = manifest.get("Spring-Boot-Classpath-Index", "")
    lines = archive.read(index).decode().splitlines() if index in archive.namelist() else []
    named = [found[1] for line in lines if (found := _INDEXED.fullmatch(line.strip()))]
    return [*(name for name in there if name not in named), *(name for name in named if name in there)]


def _write_jar(
    archive: zipfile.ZipFile, manifest: Mapping[str, str], libraries: Iterable[str], path: Path
) -> None:
    """Write the application's own jar, its files as they are: the registry packs a layer anyway."""
    where = manifest.get("Spring-Boot-Classes", "BOOT-INF/classes/")
    own = {
        name.removeprefix(where): name
        for name in archive.namelist()
        if not name.endswith("/") and _is_applications(name, where, manifest)
    }
    with zipfile.ZipFile(path, "w") as jar:
        # First, as `java.util.jar.JarInputStream` wants it.
        _add(jar, "META-INF/", b"")
        _add(jar, MANIFEST, _manifest(manifest, libraries))
        # Spring finds the classes of a package by its directory's entry.
        for directory in sorted({above for name in own for above in _above(name)} - {"META-INF/"}):
            _add(jar, directory, b"")
        for name in sorted(own):
            _add(jar, name, archive.read(own[name]))


def _is_applications(name: str, classes: str, manifest: Mapping[str, str]) -> bool:
    if name.startswith(classes):
        return True
    skipped = {MANIFEST, _LOADERS_SERVICE, manifest.get("Spring-Boot-Layers-Index", "")}
    return name not in skipped and not name.startswith((_LOADER, "BOOT-INF/"))


def _above(name: str) -> Iterable[str]:
    parts = name.split("/")[:-1]
    return ("/".join(parts[:depth]) + "/" for depth in range(1, len(parts) + 1))


def _add(jar: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name)  # of 1980, the earliest time that an entry can have
    entry.external_attr = (0o40755 << 16 | 0x10) if name.endswith("/") else 0o100644 << 16
    # Whichever system writes it.
    entry.create_system = 3
    jar.writestr(entry, content)


def _manifest(manifest: Mapping[str, str], libraries: Iterable[str]) -> bytes:
    said = {name: value for name, value in manifest.items() if not _LAUNCHERS_OWN.fullmatch(name)}
    lines = {
        "Manifest-Version": "1.0",
        "Main-Class": manifest["Start-Class"],
        # A list of relative URLs.
        "Class-Path": " ".join(LIBRARIES + quote(_base(name)) for name in libraries),
        **dict(sorted(said.items())),
    }
    return b"".join(_folded(f"{name}: {value}") for name, value in lines.items() if value) + b"\r\n"


def _folded(line: str) -> bytes:
    """A line of a manifest; one that is too long goes on with a space, cut in bytes."""
    content = line.encode()
    first, rest = content[:_LINE], content[_LINE:]
    width = _LINE - 1
    return b"\r\n ".join([first, *(rest[at : at + width] for at in range(0, len(rest), width))]) + b"\r\n"
