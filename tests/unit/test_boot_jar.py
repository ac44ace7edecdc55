"""What a jar says of itself: manifest, layers index, actuator."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.artifact.boot_jar import parse_layers, parse_manifest, read_boot_jar
from tests.support.boot_jars import LAYERS, write_boot_jar, write_jar


def test_a_boot_jar_tells_versions_start_class_and_layers(tmp_path: Path) -> None:
    jar = read_boot_jar(write_boot_jar(tmp_path / "app.jar", version="1.2.3", boot_version="3.5.16"))

    assert jar.executable
    assert (jar.version, jar.boot_version, jar.start_class) == ("1.2.3", "3.5.16", "com.example.Application")
    assert jar.layers == ("dependencies", "spring-boot-loader", "snapshot-dependencies", "application")
    assert jar.actuator


@pytest.mark.parametrize(
    ("launcher", "executable"),
    [
        ("org.springframework.boot.loader.JarLauncher", True),
        ("org.springframework.boot.loader.launch.JarLauncher", True),
        ("org.springframework.boot.loader.PropertiesLauncher", True),
        ("org.springframework.boot.loader.launch.PropertiesLauncher", True),
        ("org.springframework.boot.loader.launch.WarLauncher", False),
        ("com.example.JarLauncher", False),
        ("org.springframework.boot.loader.launch.JarLauncher2", False),
    ],
)
def test_a_boot_jar_is_known_by_its_launcher(tmp_path: Path, launcher: str, executable: bool) -> None:
    jar = read_boot_jar(write_boot_jar(tmp_path / "app.jar", launcher=launcher))

    assert jar.executable is executable


def test_a_war_is_told_from_a_jar(tmp_path: Path) -> None:
    launcher = "org.springframework.boot.loader.launch.WarLauncher"

    assert read_boot_jar(write_boot_jar(tmp_path / "app.war", launcher=launcher)).launcher == "War"


def test_a_plain_jar_is_not_executable(tmp_path: Path) -> None:
    assert not read_boot_jar(write_jar(tmp_path / "app-plain.jar", {"Created-By": "Gradle"})).executable
    assert not read_boot_jar(write_jar(tmp_path / "no-manifest.jar", None, {"a": b""})).executable


def test_actuator_is_the_library_itself(tmp_path: Path) -> None:
    manifest = {"Spring-Boot-Lib": "BOOT-INF/lib/"}
    others = {
        "BOOT-INF/lib/spring-boot-actuator-autoconfigure-3.5.0.jar": b"",
        "BOOT-INF/classes/spring-boot-actuator-3.5.0.jar": b"",
    }

    assert not read_boot_jar(write_jar(tmp_path / "a.jar", manifest, others)).actuator


def test_a_jar_without_an_index_has_no_layers(tmp_path: Path) -> None:
    assert read_boot_jar(write_boot_jar(tmp_path / "app.jar", layers=None)).layers == ()


def test_a_broken_index_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 2 of its layers index"):
        read_boot_jar(write_boot_jar(tmp_path / "app.jar", layers='- "a":\nnonsense\n'))


def test_an_index_that_is_named_but_not_there_is_an_error(tmp_path: Path) -> None:
    path = write_jar(tmp_path / "app.jar", {"Spring-Boot-Layers-Index": "BOOT-INF/layers.idx"})

    with pytest.raises(ValueError, match=r"BOOT-INF/layers\.idx cannot be read"):
        read_boot_jar(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"no zip at all"])
def test_a_file_that_is_no_jar_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.jar"
    path.write_bytes(content)

    with pytest.raises(ValueError, match="not a jar"):
        read_boot_jar(path)


def test_a_fully_executable_jar_is_read_behind_its_script(tmp_path: Path) -> None:
    inner = write_boot_jar(tmp_path / "inner.jar").read_bytes()
    path = tmp_path / "app.jar"
    path.write_bytes(b"#!/bin/bash\nexec java -jar $0\n" + inner)

    assert read_boot_jar(path).executable


def test_layers_keep_their_order_and_content() -> None:
    layers = parse_layers(LAYERS)

    assert layers[0] == ("dependencies", ("BOOT-INF/lib/",))
    assert layers[2] == ("snapshot-dependencies", ())
    assert layers[3][1][-1] == "META-INF/"


@given(
    st.lists(st.tuples(st.from_regex(r"[a-z-]{1,10}", fullmatch=True), st.lists(st.just("BOOT-INF/x y/"))))
)
def test_any_index_reads_back(layers: list[tuple[str, list[str]]]) -> None:
    text = "".join(f'- "{name}":\n' + "".join(f'  - "{path}"\n' for path in paths) for name, paths in layers)

    assert parse_layers(text) == tuple((name, tuple(paths)) for name, paths in layers)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_only_the_main_section_of_a_manifest_counts(end: str) -> None:
    text = end.join(["A: 1", "B: two: three", "", "Name: org/", "A: 2", ""])

    assert parse_manifest(text.encode()) == {"A": "1", "B": "two: three"}


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), st.integers(10, 72))
def test_a_value_cut_into_lines_is_joined_even_inside_a_character(value: str, width: int) -> None:
    line = f"Start-Class: {value}".encode()
    first, rest = line[:width], line[width:]
    cut = [first] + [b" " + rest[at : at + width] for at in range(0, len(rest), width)]

    assert parse_manifest(b"\r\n".join(cut) + b"\r\n\r\n") == {"Start-Class": value}
