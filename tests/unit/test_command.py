"""What every task has in common."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from invoke import Config, Context, Exit

import tasks
from deploy.command import ChangingVerb, pending
from tests.support.clone import ROOT

CHANGING = [name for name in tasks.namespace.task_names if isinstance(tasks.namespace[name], ChangingVerb)]


@pytest.mark.parametrize("name", CHANGING)
def test_dry_is_refused_where_something_would_change(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    task: Any = tasks.namespace[name]
    with pytest.raises(Exit) as raised:
        task(Context(Config(overrides={"run": {"dry": True}})))
    assert raised.value.code == 2
    assert "invoke plan" in capsys.readouterr().err


def test_plan_is_no_task_that_changes_something() -> None:
    assert "deploy" in CHANGING
    assert not {"plan", "status", "logs", "config"} & set(CHANGING)


def test_dry_on_the_command_line_ends_in_2_and_points_to_plan(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "invoke", f"--search-root={ROOT}", "--dry", "deploy"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("JARSHIP_")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert "invoke plan" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_pending_changes_end_in_8() -> None:
    assert pending().code == 8
