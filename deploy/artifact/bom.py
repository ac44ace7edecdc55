"""A bill of materials of a jar: which libraries a release carries, in CycloneDX's form.

The same jar gives the same bytes: its serial number and its time come from what it was made of. A jar that
brings a bill of its own (`Sbom-Location` in its manifest, as Spring Boot's plugins write it) keeps that one,
for the build tool knows more than its result shows: licences, and what pulled what in.

The licences of libraries are not told, nor the packages of the base image, which is named only.
"""

import hashlib
import io
import json
import re
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.artifact.boot_jar import MANIFEST, parse_manifest
from deploy.files import write_atomically
from deploy.values.build import Build
from deploy.values.errors import BuildError
from deploy.values.events import Stream

PATH = Path("build/bom.json")
"""Where it lies, below the root."""
STEP = "image"
OWN_BILL = "Sbom-Location"
_NAMED = re.compile(r"(?P<name>.+?)-(?P<version>\d[^/]*)")
_COORDINATES = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_GROUPS = (
    (re.compile(r"spring-boot(-.+)?"), "org.springframework.boot"),
    (re.compile(r"spring-security-.+"), "org.springframework.security"),
    (re.compile(r"spring-data-.+"), "org.springframework.data"),
    (
        re.compile(
            r"spring-(aop|aspects|beans|context(-support|-indexer)?|core|expression|jcl|jdbc|jms|messaging"
            r"|orm|oxm|r2dbc|tx|web|webflux|webmvc|websocket)"
        ),
        "org.springframework",
    ),
    (re.compile(r"micrometer-.+"), "io.micrometer"),
    (re.compile(r"tomcat-embed-.+"), "org.apache.tomcat.embed"),
    (re.compile(r"reactor-(core|pool)"), "io.projectreactor"),
    (re.compile(r"kotlin-(stdlib|reflect).*"), "org.jetbrains.kotlin"),
    (re.compile(r"jspecify"), "org.jspecify"),
)
"""The groups of libraries that are not built by Maven, and so do not say it themselves."""


@dataclass(frozen=True, kw_only=True, order=True)
class Library:
    """A jar within the jar."""

    name: str
    version: str
    """Empty when neither the library nor its file's name says it."""
    group: str
    """Maven's groupId; empty when it is not known."""
    sha256: str
    path: str
    """Its name in the jar."""


def write_bom(build: Build, root: Path, stream: Stream) -> None:
    """Write the bill of a build's jar to `build/bom.json`, unless the one there is of the same jar.

    Args:
        root: the repository's root, to which the jar's path is relative.

    Raises:
        BuildError: the jar cannot be read.
        OSError: the file cannot be written.
    """
    path = root / PATH
    there = _text_of(path)
    if _serial_in(there) == _serial(build).urn:
        return
    try:
        with zipfile.ZipFile(root / build.jar.path) as archive:
            text = own_bill(archive) or as_text(build, tuple(sorted(libraries(archive))))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BuildError(
            f"The libraries of {build.jar.path} cannot be listed.",
            why=str(error),
            advice="Build the jar again: invoke jar --force",
            step=STEP,
        ) from error
    if text == there:
        return
    write_atomically(path, text)
    stream.note(f"Bill of materials: {PATH}, {len(json.loads(text).get('components', ()))} parts", step=STEP)


def own_bill(archive: zipfile.ZipFile) -> str:
    """The bill that a jar brings itself; empty when it has none in CycloneDX's JSON.

    Raises:
        ValueError: it is not what the manifest calls it.
    """
    manifest = parse_manifest(archive.read(MANIFEST))
    location = manifest.get(OWN_BILL, "")
    if not location or manifest.get("Sbom-Format", "CycloneDX") != "CycloneDX":
        return ""
    try:
        text = archive.read(location).decode()
        form = json.loads(text).get("bomFormat")
    except (KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"its bill of materials {location} cannot be read: {error}") from error
    return text if form == "CycloneDX" else ""


def libraries(archive: zipfile.ZipFile) -> Iterator[Library]:
    """The jars that an open jar carries in its directory of libraries."""
    directory = parse_manifest(archive.read(MANIFEST)).get("Spring-Boot-Lib", "BOOT-INF/lib/")
    for name in archive.namelist():
        if name.startswith(directory) and name.endswith(".jar"):
            yield read_library(name, archive.read(name))


def read_library(path: str, content: bytes) -> Library:
    """What is known of a library: from the coordinates that Maven left in it, else from its file's name."""
    stem = Path(path).stem
    named = _NAMED.fullmatch(stem)
    name, version = (named["name"], named["version"]) if named else (stem, "")
    group = next((known for pattern, known in _GROUPS if pattern.fullmatch(name)), "")
    for found in _coordinates(content):
        # A library that swallowed others has their coordinates too.
        artifact = found.get("artifactId", "")
        if stem == artifact or stem.startswith(f"{artifact}-{found.get('version', '')}"):
            name, version, group = artifact, found.get("version", version), found.get("groupId", group)
            break
    return Library(
        name=name, version=version, group=group, sha256=hashlib.sha256(content).hexdigest(), path=path
    )


def as_text(build: Build, found: tuple[Library, ...]) -> str:
    """A bill of a build and its libraries, as CycloneDX 1.6 in JSON."""
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    def component(library: Library) -> Component:
        coordinates = (library.group, library.name, library.version)
        return Component(
            name=library.name,
            version=library.version or None,
            group=library.group or None,
            bom_ref=library.path,
            purl=PackageURL("maven", *coordinates) if all(coordinates) else None,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=library.sha256)],
        )

    base = build.image.base if build.image else ""
    application = Component(
        name=build.app,
        version=build.jar.version or None,
        type=ComponentType.APPLICATION,
        bom_ref=build.app,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=build.jar.sha256)],
        properties=[Property(name="jarship:commit", value=build.source.commit)]
        if build.source.commit
        else [],
    )
    components = [component(library) for library in found]
    bom = Bom(components=components, serial_number=_serial(build))
    if base:
        bom.components.add(Component(name=base, type=ComponentType.CONTAINER, bom_ref=f"base:{base}"))
    bom.metadata.component = application
    bom.metadata.timestamp = _time(build)
    bom.register_dependency(application, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _coordinates(content: bytes) -> Iterator[Mapping[str, str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as library:
            for name in library.namelist():
                if _COORDINATES.fullmatch(name):
                    lines = library.read(name).decode("utf-8", "replace").splitlines()
                    yield {
                        key.strip(): value.strip()
                        for key, _, value in (line.partition("=") for line in lines)
                    }
    except zipfile.BadZipFile:  # an application may carry what only looks like a jar
        return


def _serial(build: Build) -> uuid.UUID:
    base = build.image.base if build.image else ""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{build.app} {build.jar.sha256} {build.source.commit} {base}")


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _serial_in(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return str(found.get("serialNumber", "")) if isinstance(found, dict) else ""


def _time(build: Build) -> datetime:
    if build.source.committed_at:
        return datetime.fromisoformat(build.source.committed_at)
    return datetime.fromtimestamp(0, UTC)
