"""Read what Spring Boot writes into a jar.

Facts, from Spring Boot's reference ("The Executable Jar Format") and its own jars: the launcher classes lie
in `org.springframework.boot.loader` up to 3.1 and in `org.springframework.boot.loader.launch` from 3.2; the
manifest names the application (`Start-Class`), the Boot version (`Spring-Boot-Version`), where libraries lie
(`Spring-Boot-Lib`) and the layers index (`Spring-Boot-Layers-Index`, by default from 2.4).
"""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "META-INF/MANIFEST.MF"
_LAUNCHER = re.compile(r"org\.springframework\.boot\.loader\.(?:launch\.)?(\w+)Launcher")
_LAYER = re.compile(r'- "([^"]+)":')
_CONTENT = re.compile(r'\s+- "([^"]+)"')


@dataclass(frozen=True, kw_only=True)
class BootJar:
    """What a jar says of itself; empty texts where its manifest says nothing."""

    launcher: str
    """`Jar`, `Properties` or `War`; empty when the jar is not started by Spring Boot's loader."""
    start_class: str
    boot_version: str
    version: str
    """Implementation-Version."""
    layers: tuple[str, ...]
    """Names in the layers index, in its order; empty without an index."""
    actuator: bool

    @property
    def executable(self) -> bool:
        """Whether `java -jar` starts a Spring Boot application in it."""
        return self.launcher in ("Jar", "Properties")


def read_boot_jar(path: Path) -> BootJar:
    """Read the manifest, the layers index and the names of the libraries of a jar.

    Raises:
        ValueError: the file is not a readable zip archive, or its layers index is missing or not one.
        OSError: the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            manifest = parse_manifest(archive.read(MANIFEST)) if MANIFEST in names else {}
            launcher = _LAUNCHER.fullmatch(manifest.get("Main-Class", ""))
            return BootJar(
                launcher=launcher.group(1) if launcher else "",
                start_class=manifest.get("Start-Class", ""),
                boot_version=manifest.get("Spring-Boot-Version", ""),
                version=manifest.get("Implementation-Version", ""),
                layers=tuple(layer for layer, _ in read_layers(archive, manifest)),
                actuator=_has_actuator(names, manifest.get("Spring-Boot-Lib", "BOOT-INF/lib/")),
            )
    except zipfile.BadZipFile as error:
        raise ValueError(f"not a jar: {error}") from error


def read_layers(
    archive: zipfile.ZipFile, manifest: Mapping[str, str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The layers of an open jar, as `parse_layers` gives them; empty when the manifest names no index.

    Raises:
        ValueError: the index that the manifest names is missing or not one.
    """
    index = manifest.get("Spring-Boot-Layers-Index", "")
    if not index:
        return ()
    try:
        return parse_layers(archive.read(index).decode())
    except (KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"its layers index {index} cannot be read") from error


def parse_manifest(content: bytes) -> dict[str, str]:
    """The main section of a manifest: name to value.

    A line that begins with a space goes on with the one before it, cut in bytes, so that a character may be
    cut in two (JAR File Specification).
    """
    section = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").partition(b"\n\n")[0]
    lines = section.replace(b"\n ", b"").decode("utf-8", "replace").split("\n")
    return {name: value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def parse_layers(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Take a layers index apart: each layer's name with the files and directories (`/` at the end) in it.

    Raises:
        ValueError: a line fits neither a layer nor its content.
    """
    layers: list[tuple[str, list[str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if layer := _LAYER.fullmatch(line.rstrip()):
            layers.append((layer.group(1), []))
        elif layers and (content := _CONTENT.fullmatch(line.rstrip())):
            layers[-1][1].append(content.group(1))
        elif line.strip():
            raise ValueError(f"line {number} of its layers index is not of an index: {line.strip()!r}")
    return tuple((name, tuple(content)) for name, content in layers)


def _has_actuator(names: list[str], libraries: str) -> bool:
    actuator = re.compile(re.escape(libraries) + r"spring-boot-actuator-\d[^/]*\.jar")
    return any(actuator.fullmatch(name) for name in names)
