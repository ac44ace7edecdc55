from pathlib import Path

import pytest

import noxfile


def _file(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_every_dockerfile_is_found_and_only_ours(tmp_path: Path) -> None:
    ours = [_file(tmp_path / "docker/app/Dockerfile"), _file(tmp_path / "docker/x.Dockerfile")]
    _file(tmp_path / ".nox/lint/Dockerfile")
    _file(tmp_path / "build/source/Dockerfile")
    assert sorted(noxfile.dockerfiles(tmp_path)) == ours


@pytest.mark.parametrize(
    "first", ["#!/bin/sh\n", "#!/bin/bash -eu\n", "#!/usr/bin/env bash\n", "#! /bin/dash\n"]
)
def test_a_script_is_known_by_its_first_line(tmp_path: Path, first: str) -> None:
    script = _file(tmp_path / "invokew", first)
    assert noxfile.shell_scripts(tmp_path) == [script]


def test_a_script_is_known_by_its_suffix_and_nothing_else_is_one(tmp_path: Path) -> None:
    script = _file(tmp_path / "deploy/venv.sh", "set -eu\n")
    _file(tmp_path / "tool", "#!/usr/bin/env python3\n")
    _file(tmp_path / "empty")
    _file(tmp_path / "examples/hello/mvnw", "#!/bin/sh\n")
    assert noxfile.shell_scripts(tmp_path) == [script]


def test_this_repository_has_both() -> None:
    assert noxfile.ROOT / "invokew" in noxfile.shell_scripts(noxfile.ROOT)
    assert noxfile.dockerfiles(noxfile.ROOT)
