import json
from pathlib import Path

import pytest

from deploy import plan_file
from deploy.values.errors import InputError
from tests.support.plans import a_plan


def test_what_was_written_is_read(tmp_path: Path) -> None:
    planned = a_plan()
    plan_file.write(tmp_path / "new" / "plan.json", planned)
    assert plan_file.read(tmp_path / "new" / "plan.json") == planned
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["plan.json"]


def test_a_missing_one_names_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        plan_file.read(tmp_path / "plan.json")
    assert "plan --out=" in raised.value.advice


@pytest.mark.parametrize("format_", [0, 2, "1", None])
def test_another_format_is_refused(tmp_path: Path, format_: object) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(a_plan().model_dump(mode="json") | {"format": format_}))
    with pytest.raises(InputError, match="cannot be used") as raised:
        plan_file.read(path)
    assert "reads 1" in raised.value.why


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "[" * 100_000, '{"format": 1}', "\0", '{"format": 1e999}']
)
def test_what_is_no_plan_is_refused_without_a_traceback(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(InputError, match="cannot be used"):
        plan_file.read(path)


def test_a_plan_that_was_changed_by_hand_names_the_place(tmp_path: Path) -> None:
    content = a_plan().model_dump(mode="json")
    content["hosts"][0]["seen"]["cpus"] = "two"
    (tmp_path / "plan.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as raised:
        plan_file.read(tmp_path / "plan.json")
    assert raised.value.why.startswith("hosts.0.seen.cpus")


def test_a_directory_is_neither_read_nor_written(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        plan_file.read(tmp_path)
    with pytest.raises(InputError, match="--out="):
        plan_file.write(tmp_path, a_plan())
