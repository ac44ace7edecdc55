"""The bill of materials: which libraries it names, and that the same jar gives the same one."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.artifact.bom import PATH, read_library, write_bom
from deploy.values.build import Build, Image
from deploy.values.errors import BuildError
from deploy.values.events import Event, Stream
from tests.support.boot_jars import LAUNCHER, write_boot_jar, write_jar
from tests.support.builds import build_of_jar


def library(files: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def coordinates(group: str, artifact: str, version: str) -> dict[str, str]:
    text = f"#made by Maven\ngroupId={group}\nartifactId={artifact}\nversion={version}\n"
    return {f"META-INF/maven/{group}/{artifact}/pom.properties": text}


def bill(build: Build, root: Path, stream: Stream | None = None) -> dict[str, Any]:
    write_bom(build, root, stream or Stream())
    text = (root / PATH).read_text()
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert problem is None, str(problem)
    return dict(json.loads(text))


def test_every_library_is_named_with_its_checksum(tmp_path: Path) -> None:
    build = build_of_jar(write_boot_jar(tmp_path / "demo.jar", version="1.2.3"))
    told = bill(build, tmp_path)

    assert told["metadata"]["component"]["name"] == "demo"
    assert told["metadata"]["component"]["version"] == "1.2.3"
    assert {each["purl"] for each in told["components"]} == {
        "pkg:maven/org.springframework/spring-web@6.2.0",
        "pkg:maven/org.springframework.boot/spring-boot-actuator@3.5.0",
    }
    web = next(each for each in told["components"] if each["name"] == "spring-web")
    assert web["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"web").hexdigest()}]
    rests_on = next(each for each in told["dependencies"] if each["ref"] == "demo")
    assert sorted(rests_on["dependsOn"]) == sorted(each["bom-ref"] for each in told["components"])


def test_the_base_image_is_named_with_an_image(tmp_path: Path) -> None:
    build = build_of_jar(write_boot_jar(tmp_path / "demo.jar"))
    made = Image(id="sha256:1", diff_ids=(), platform="linux/amd64", base="debian:trixie")
    told = bill(build.model_copy(update={"image": made}), tmp_path)
    assert [each["name"] for each in told["components"] if each["type"] == "container"] == ["debian:trixie"]


def test_the_same_jar_has_the_same_bill_on_another_day(tmp_path: Path) -> None:
    jar = write_boot_jar(tmp_path / "demo.jar")
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_bom(build_of_jar(jar), tmp_path / name, Stream())
        texts.append((tmp_path / name / PATH).read_text())
    assert texts[0] == texts[1]


def test_a_bill_that_is_there_is_not_made_again_and_another_jars_is(tmp_path: Path) -> None:
    heard: list[Event] = []
    build = build_of_jar(write_boot_jar(tmp_path / "demo.jar"))
    first = bill(build, tmp_path)
    assert bill(build, tmp_path, Stream(heard.append)) == first
    assert heard == []

    other = build_of_jar(write_boot_jar(tmp_path / "demo.jar", page="another"))
    assert bill(other, tmp_path, Stream(heard.append))["serialNumber"] != first["serialNumber"]
    assert [event.text for event in heard] == [f"Bill of materials: {PATH}, 2 parts"]


@pytest.mark.parametrize("rest", ["", "{", "[]", '{"serialNumber": 1}'])
def test_what_lies_in_its_place_is_replaced(tmp_path: Path, rest: str) -> None:
    (tmp_path / PATH).parent.mkdir()
    (tmp_path / PATH).write_text(rest)
    assert bill(build_of_jar(write_boot_jar(tmp_path / "demo.jar")), tmp_path)["components"]


@pytest.mark.parametrize(
    ("file", "files", "expected"),
    [
        ("jackson-core-2.19.0.jar", coordinates("com.fasterxml", "jackson-core", "2.19.0"), "com.fasterxml"),
        # One that swallowed others: only its own coordinates count.
        (
            "shaded-1.0.jar",
            coordinates("org.swallowed", "other", "9.9") | coordinates("org.own", "shaded", "1.0"),
            "org.own",
        ),
        ("shaded-1.0.jar", coordinates("org.swallowed", "other", "9.9"), ""),
        ("spring-boot-4.0.0.jar", {}, "org.springframework.boot"),
        ("spring-boot-webmvc-4.0.0.jar", {}, "org.springframework.boot"),
        ("spring-core-7.0.0.jar", {}, "org.springframework"),
        ("spring-security-web-7.0.0.jar", {}, "org.springframework.security"),
        ("tomcat-embed-core-11.0.22.jar", {}, "org.apache.tomcat.embed"),
        ("spring-of-another-1.0.jar", {}, ""),
        ("own-1.0-SNAPSHOT.jar", {}, ""),
    ],
)
def test_a_librarys_group(file: str, files: Mapping[str, str], expected: str) -> None:
    found = read_library(f"BOOT-INF/lib/{file}", library(files))
    assert found.group == expected
    assert f"{found.name}-{found.version}.jar" == file


def test_a_library_without_a_version_has_its_name_only() -> None:
    found = read_library("BOOT-INF/lib/plain.jar", b"no jar at all")
    assert (found.name, found.version, found.group) == ("plain", "", "")


def test_the_version_of_a_snapshot_is_the_one_that_its_coordinates_tell() -> None:
    # The file's name has the snapshot's time, the coordinates what it is called.
    found = read_library(
        "BOOT-INF/lib/own-1.0-20260101.101010-1.jar",
        library(coordinates("org.own", "own", "1.0-20260101.101010-1")),
    )
    assert (found.group, found.name, found.version) == ("org.own", "own", "1.0-20260101.101010-1")


def boot_jar_with(path: Path, manifest: Mapping[str, str], files: Mapping[str, bytes]) -> Path:
    return write_jar(path, {"Main-Class": LAUNCHER, **manifest}, files)


def test_a_bill_that_the_build_tool_made_is_kept(tmp_path: Path) -> None:
    own = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []})
    location = "META-INF/sbom/application.cdx.json"
    manifest = {"Sbom-Format": "CycloneDX", "Sbom-Location": location}
    jar = boot_jar_with(tmp_path / "demo.jar", manifest, {location: own.encode()})
    heard: list[Event] = []
    for _ in range(2):
        write_bom(build_of_jar(jar), tmp_path, Stream(heard.append))
        assert (tmp_path / PATH).read_text() == own
    assert len(heard) == 1


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"\xff"])
def test_a_bill_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    location = "META-INF/sbom/application.cdx.json"
    files = {} if content is None else {location: content}
    jar = boot_jar_with(tmp_path / "demo.jar", {"Sbom-Location": location}, files)
    with pytest.raises(BuildError, match=r"cannot be listed") as raised:
        write_bom(build_of_jar(jar), tmp_path, Stream())
    assert location in raised.value.why


def test_a_jar_that_is_gone_is_told(tmp_path: Path) -> None:
    jar = write_boot_jar(tmp_path / "demo.jar")
    build = build_of_jar(jar)
    jar.unlink()
    with pytest.raises(BuildError, match=r"cannot be listed"):
        write_bom(build, tmp_path, Stream())
