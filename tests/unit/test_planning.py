"""`plan` before any host is asked, and the plan that `deploy` is given."""

from pathlib import Path
from typing import Any

import pytest

from deploy import build_file, pipeline, plan_file, planning
from deploy.command import Run
from deploy.pipeline import DeployOptions
from deploy.planning import Wish
from deploy.values.errors import InputError
from tests.support.plans import a_build, a_plan
from tests.support.settings import make_settings

SETTINGS = make_settings(registry="registry:5000", hosts_sandbox=False)


def refused(root: Path, wish: Wish = Wish(), **settings: Any) -> InputError:  # noqa: B008 - frozen
    with pytest.raises(InputError) as raised:
        planning.plan(Run(root), SETTINGS.model_copy(update=settings), wish)
    return raised.value


def test_without_a_build_the_task_that_makes_one_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert error.what == "There is no build to plan with."
    assert "invokew build" in error.advice
    assert "jar" in refused(tmp_path, Wish(build_file=str(tmp_path / "none.json"))).advice


def test_a_build_that_was_not_pushed_names_push(tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    build_file.write(path, a_build().model_copy(update={"pushed": None}))
    assert "invokew push" in refused(tmp_path, Wish(build_file=str(path))).advice


def test_a_build_of_another_source_than_lies_there_is_not_planned_with(tmp_path: Path) -> None:
    build_file.write(tmp_path / build_file.PATH, a_build())
    (tmp_path / "app").mkdir()
    assert "source has changed" in refused(tmp_path, app_source="app").what


def test_the_sandbox_is_not_brought_up_for_a_look(tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    build_file.write(path, a_build())
    error = refused(tmp_path, Wish(build_file=str(path)), registry="sandbox", hosts_sandbox=True)
    assert "sandbox.up" in error.advice
    assert [found.name for found in tmp_path.iterdir()] == ["made.json"]


@pytest.mark.parametrize(("what", "other"), [("app_name", "other"), ("profile", "prod")])
def test_a_plan_for_something_else_is_refused(tmp_path: Path, what: str, other: str) -> None:
    path = tmp_path / "plan.json"
    plan_file.write(path, a_plan())
    with pytest.raises(InputError) as raised:
        plan_file.read_for(SETTINGS.model_copy(update={what: other}), str(path))
    assert other in raised.value.what
    assert "--profile=dev" in raised.value.advice
    assert plan_file.read_for(SETTINGS, str(path)) == plan_file.read(path)


@pytest.mark.parametrize("also", [{"build": "b"}, {"force": True}, {"tag": "t"}])
def test_a_plan_has_its_own_build(tmp_path: Path, also: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="--plan goes without"):
        pipeline.deploy(Run(tmp_path), SETTINGS, DeployOptions(plan="p", **also))
