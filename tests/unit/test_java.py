from pathlib import Path

from deploy.artifact.java import java_version
from tests.support.java import make_jdk


def asking_java(folder: Path, *, code: int = 0) -> Path:
    """A java without a file `release`, which has to be started to tell."""
    folder.mkdir(parents=True)
    (folder / "java").write_text(f'#!/bin/sh\n[ "$1" = -version ] && echo openjdk 11 >&2\nexit {code}\n')
    (folder / "java").chmod(0o755)
    return folder


def test_java_home_goes_before_the_path(tmp_path: Path) -> None:
    home, other = make_jdk(tmp_path / "home", "17.0.1"), make_jdk(tmp_path / "other", "21.0.2")

    assert java_version({"JAVA_HOME": str(home), "PATH": f"{other}/bin"}) == "17.0.1 Example"
    assert java_version({"PATH": f"{other}/bin"}) == "21.0.2 Example"


def test_a_link_in_the_path_leads_to_its_jdk(tmp_path: Path) -> None:
    home = make_jdk(tmp_path / "home")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").symlink_to(home / "bin/java")

    assert java_version({"PATH": str(tmp_path / "bin")}) == "17.0.1 Example"


def test_the_whole_version_is_told_where_the_jdk_has_it(tmp_path: Path) -> None:
    home = make_jdk(tmp_path / "home")
    (home / "release").write_text('JAVA_VERSION="17.0.1"\nJAVA_RUNTIME_VERSION="17.0.1+9-Debian"\n')

    assert java_version({"JAVA_HOME": str(home)}) == "17.0.1+9-Debian"


def test_a_jdk_without_a_release_file_is_asked(tmp_path: Path) -> None:
    folder = asking_java(tmp_path / "bin")

    assert java_version({"PATH": f"{folder}:/usr/bin:/bin"}) == "openjdk 11"


def test_no_jdk_is_none(tmp_path: Path) -> None:
    assert java_version({"PATH": str(tmp_path)}) == ""
    assert java_version({"JAVA_HOME": str(tmp_path), "PATH": "/usr/bin"}) == ""
    assert java_version({"PATH": str(asking_java(tmp_path / "broken", code=1))}) == ""
