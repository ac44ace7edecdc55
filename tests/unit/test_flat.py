import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.artifact import shared_classes
from deploy.artifact.boot_jar import parse_manifest
from deploy.artifact.engine_build import Given
from deploy.artifact.flat import write_flat
from deploy.artifact.layers import FIXED_TIME, split_jar
from deploy.values.errors import BuildError
from tests.support.boot_jars import LAUNCHER, LAYERS, write_boot_jar, write_jar
from tests.support.builds import build_of_jar

TIME = 1_772_600_767
MANIFEST = {
    "Main-Class": LAUNCHER,
    "Start-Class": "com.example.Application",
    "Spring-Boot-Version": "3.5.0",
    "Spring-Boot-Classes": "BOOT-INF/classes/",
    "Spring-Boot-Lib": "BOOT-INF/lib/",
    "Spring-Boot-Classpath-Index": "BOOT-INF/classpath.idx",
    "Spring-Boot-Layers-Index": "BOOT-INF/layers.idx",
    "Implementation-Title": "A title of more than seventy-two bytes, with a ü where its line is cut",
    "Add-Opens": "java.base/java.lang",
}
SNAPSHOT = "BOOT-INF/lib/own-1-SNAPSHOT.jar"
FILES = {
    "BOOT-INF/classes/com/example/Application.class": b"class",
    "BOOT-INF/classes/META-INF/services/x": b"service",
    "BOOT-INF/lib/b-1.jar": b"b",
    "BOOT-INF/lib/a 1+x.jar": b"a",
    SNAPSHOT: b"own",
    "BOOT-INF/lib/spring-boot-jarmode-tools-3.5.0.jar": b"tools",
    "BOOT-INF/classpath.idx": b'- "BOOT-INF/lib/b-1.jar"\n- "BOOT-INF/lib/a 1+x.jar"\n',
    "BOOT-INF/layers.idx": LAYERS.replace(
        '"dependencies":\n  - "BOOT-INF/lib/"',
        f'"snapshot-dependencies":\n  - "{SNAPSHOT}"\n- "dependencies":\n  - "BOOT-INF/lib/"',
    ).encode(),
    "META-INF/services/java.nio.file.spi.FileSystemProvider": b"the loader's",
    "META-INF/maven/pom.xml": b"pom",
    "org/springframework/boot/loader/launch/JarLauncher.class": b"loader",
    "org/other/Own.class": b"own",
}


def flat(jar: Path, into: Path, time: int = TIME) -> dict[str, Path]:
    into.mkdir()
    return {tar.name: tar.path for tar in write_flat(jar, split_jar(jar), into, time)}


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar if one.isfile()}  # type: ignore[union-attr]


def app_of(tars: Mapping[str, Path]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(contents(tars["application"])["app/app.jar"]))


@pytest.fixture
def tars(tmp_path: Path) -> dict[str, Path]:
    return flat(write_jar(tmp_path / "a.jar", MANIFEST, FILES), tmp_path / "flat")


def test_libraries_lie_beside_in_their_own_layers(tars: dict[str, Path]) -> None:
    assert list(tars) == ["home", "dependencies", "snapshot-dependencies", "application"]
    assert contents(tars["dependencies"]) == {"app/lib/a 1+x.jar": b"a", "app/lib/b-1.jar": b"b"}
    assert contents(tars["snapshot-dependencies"]) == {"app/lib/own-1-SNAPSHOT.jar": b"own"}
    assert list(contents(tars["application"])) == ["app/app.jar"]


def test_the_jar_holds_the_applications_own_files_and_their_directories(tars: dict[str, Path]) -> None:
    with app_of(tars) as app:
        assert app.namelist() == [
            "META-INF/",
            "META-INF/MANIFEST.MF",
            "META-INF/maven/",
            "META-INF/services/",
            "com/",
            "com/example/",
            "org/",
            "org/other/",
            "META-INF/maven/pom.xml",
            "META-INF/services/x",
            "com/example/Application.class",
            "org/other/Own.class",
        ]


def test_the_manifest_names_the_application_and_its_libraries_in_their_order(tars: dict[str, Path]) -> None:
    with app_of(tars) as app:
        content = app.read("META-INF/MANIFEST.MF")
    assert max(map(len, content.split(b"\r\n"))) <= 72
    assert parse_manifest(content) == {
        "Manifest-Version": "1.0",
        "Main-Class": "com.example.Application",
        "Class-Path": "lib/own-1-SNAPSHOT.jar lib/b-1.jar lib/a%201%2Bx.jar",
        "Implementation-Title": MANIFEST["Implementation-Title"],
        "Add-Opens": "java.base/java.lang",
    }


def test_the_same_jar_gives_the_same_bytes_but_for_the_applications_time(tmp_path: Path) -> None:
    jar = write_jar(tmp_path / "a.jar", MANIFEST, FILES)
    one, same, later = (
        {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}
        for found in (
            flat(jar, tmp_path / "1"),
            flat(jar, tmp_path / "2"),
            flat(jar, tmp_path / "3", TIME + 1),
        )
    )
    assert one == same
    assert [name for name in one if one[name] != later[name]] == ["application"]
    with tarfile.open(tmp_path / "1/dependencies.tar") as tar:
        assert {member.mtime for member in tar} == {FIXED_TIME}
    with tarfile.open(tmp_path / "1/application.tar") as tar:
        assert tar.getmember("app/app.jar").mtime == TIME


def test_without_an_index_the_libraries_are_the_applications(tmp_path: Path) -> None:
    tars = flat(write_boot_jar(tmp_path / "a.jar", layers=None), tmp_path / "flat")
    assert list(contents(tars["application"])) == [
        "app/app.jar",
        "app/lib/spring-boot-actuator-3.5.0.jar",
        "app/lib/spring-web-6.2.0.jar",
    ]


@pytest.mark.parametrize(
    ("changes", "platform", "why"),
    [
        ({"boot_version": "2.7.18"}, "linux/amd64", "Spring Boot 3.2 or newer, and the jar has 2.7.18"),
        ({"boot_version": ""}, "linux/amd64", "the jar has no version"),
        (
            {"launcher": LAUNCHER.replace("Jar", "Properties")},
            "linux/amd64",
            "its launcher is not JarLauncher",
        ),
        ({}, "linux/arm64", "the image is for linux/arm64, and this machine's engine runs linux/amd64"),
    ],
)
def test_what_cannot_be_run_for_its_class_data_is_refused(
    tmp_path: Path, changes: dict[str, str], platform: str, why: str
) -> None:
    with pytest.raises(BuildError) as refused:
        shared_classes.refuse(given(tmp_path, platform, **changes), "linux/amd64")
    assert refused.value.exit_code == 4
    assert why in refused.value.why
    assert refused.value.advice.startswith("Remove CDS")


@pytest.mark.parametrize("version", ["3.2.0", "3.10.1", "4.0.0-SNAPSHOT"])
def test_what_can_be_is_not(tmp_path: Path, version: str) -> None:
    shared_classes.refuse(given(tmp_path, "linux/amd64", boot_version=version), "linux/amd64")


def given(folder: Path, platform: str, **changes: str) -> Given:
    jar = write_boot_jar(folder / "a.jar", **changes)  # type: ignore[arg-type]
    return Given(build=build_of_jar(jar), jar=jar, platform=platform, labels={}, application_time=TIME)
