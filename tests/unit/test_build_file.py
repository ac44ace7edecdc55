"""`build/build.json`: written, read back, and refused in words."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy import build_file
from deploy.values.build import Build, Image, Jar, Pushed, Source
from deploy.values.errors import InputError

BUILD = Build(
    app="hello",
    source=Source(
        path="examples/hello", commit="a" * 40, committed_at="2026-03-01T10:00:00Z", content_hash="b" * 64
    ),
    jar=Jar(
        path="examples/hello/target/hello.jar",
        sha256="c" * 64,
        size=23_000_000,
        version="1.0.0",
        boot_version="3.5.0",
        start_class="com.example.Hello",
        layers=("dependencies", "application"),
        actuator=True,
    ),
)
WHOLE = BUILD.model_copy(
    update={
        "image": Image(
            id="sha256:1", diff_ids=("sha256:2",), platform="linux/arm64", base="eclipse-temurin:21-jre"
        ),
        "tag": "1.0.0-aaaaaaa",
        "pushed": Pushed(
            registry="127.0.0.1:5000",
            repository="hello",
            tag="1.0.0-aaaaaaa",
            digest=f"sha256:{'d' * 64}",
            proxy_repository="nginx",
            proxy_digest=f"sha256:{'e' * 64}",
        ),
    }
)


@pytest.mark.parametrize("build", [BUILD, WHOLE])
def test_a_build_reads_back_as_it_was_written(tmp_path: Path, build: Build) -> None:
    path = tmp_path / build_file.PATH
    build_file.write(path, build)

    assert build_file.read(path) == build
    assert json.loads(path.read_text())["format"] == 1


def test_a_missing_file_names_the_task_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no .*build\.json") as caught:
        build_file.read(tmp_path / "build.json")

    assert caught.value.exit_code == 2
    assert caught.value.advice == "./invokew jar"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ('{"format": 1', "not JSON"),
        ("\ufffe", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"app": "hello"}', "format None"),
        ('{"format": 0}', "format 0"),
        ('{"format": "1"}', "format '1'"),
        ('{"format": 1, "app": "hello"}', "source: Field required"),
    ],
)
def test_a_broken_or_older_file_is_refused_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "build.json"
    path.write_bytes(text.encode("utf-16" if text == "\ufffe" else "utf-8"))

    with pytest.raises(InputError) as caught:
        build_file.read(path)

    assert str(path) in caught.value.what
    assert why in caught.value.why
    assert "./invokew jar" in caught.value.advice


def test_a_newer_file_asks_for_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "build.json"
    path.write_text('{"format": 2}')

    with pytest.raises(InputError, match="cannot be used") as caught:
        build_file.read(path)

    assert "the version of Jarship that wrote it" in caught.value.advice


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"app": 7}, "app: Input should be a valid string"),
        ({"jar": {**BUILD.jar.model_dump(), "size": "large"}}, "jar.size: "),
    ],
)
def test_what_does_not_belong_in_it_is_named(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    path = tmp_path / "build.json"
    path.write_text(json.dumps({**BUILD.model_dump(), **change}))

    with pytest.raises(InputError) as caught:
        build_file.read(path)

    assert caught.value.why.startswith(why)


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        build_file.read(tmp_path)
