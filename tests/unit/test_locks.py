import re
import shutil
from pathlib import Path

import pytest

from tests.support.locks import installed, problems, read_lock

ROOT = Path(__file__).parents[2]
FILES = ("pyproject.toml", "requirements.lock", "requirements-dev.lock")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _drop(path: Path, package: str) -> None:
    text = path.read_text()
    without = re.sub(rf"^{package}==.*\n(    --hash.*\n)+", "", text, flags=re.MULTILINE)
    assert without != text
    path.write_text(without)


@pytest.mark.security(25)
def test_the_locks_fit_pyproject() -> None:
    assert problems(ROOT) == []


def test_a_new_requirement_is_missed(copy: Path) -> None:
    _edit(copy / "pyproject.toml", "dependencies = [", 'dependencies = [\n  "flask",')
    assert problems(copy) == [
        "requirements.lock: flask is not met by anything",
        "requirements.lock: flask is needed and missing",
        "requirements-dev.lock: flask is not met by anything",
        "requirements-dev.lock: flask is needed and missing",
    ]


def test_another_range_is_noticed(copy: Path) -> None:
    _edit(copy / "pyproject.toml", '"fabric ==3.2.3"', '"fabric >=4"')
    assert [text for text in problems(copy) if "fabric>=4 is not met by 3.2.3" in text]


def test_a_requirement_taken_out_is_noticed(copy: Path) -> None:
    _edit(copy / "pyproject.toml", '"tenacity ~=9.2",', "")
    assert "requirements.lock: tenacity is needed by nothing" in problems(copy)


def test_what_a_requirement_requires_is_missed(copy: Path) -> None:
    _drop(copy / "requirements.lock", "urllib3")
    assert "requirements.lock: urllib3 is needed and missing" in problems(copy)


def test_the_two_locks_agree(copy: Path) -> None:
    lock = copy / "requirements-dev.lock"
    version = read_lock(lock)["rich"]
    _edit(lock, f"rich=={version}", "rich==15.9.9")
    assert f"requirements-dev.lock: rich is 15.9.9, but {version} in requirements.lock" in problems(copy)


def test_a_package_without_a_hash_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("rich==15.0.0\n")
    with pytest.raises(ValueError, match="rich==15"):
        read_lock(tmp_path / "a.lock")


def test_a_package_of_another_platform_has_nothing_to_say() -> None:
    assert installed("colorama-of-another-platform") == []
