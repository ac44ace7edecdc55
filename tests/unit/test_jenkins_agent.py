import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.jenkins import Job, path_without_environments, run_steps
from tests.support.jenkinsfile import Step


def _step(command: str, *credentials: str, stage: str = "One") -> Step:
    return Step(stage=stage, command=command, credentials=credentials)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / ".git").mkdir()
    return Job(workspace=tmp_path, parameters={"PROFILE": "dev"}, credentials={"A_PASSWORD": "p", "B": "b"})


def test_a_step_sees_an_agents_environment_and_nothing_of_ours(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "1")
    program = (
        "import json, os, sys; print(json.dumps([dict(os.environ), sys.stdin.read(), sys.stderr.isatty()]))"
    )
    (job.workspace / "show.py").write_text(program)
    environ, read, is_terminal = json.loads(job.run(_step(f"{sys.executable} show.py", "A_PASSWORD")).stdout)
    assert not {"OURS", "B", "PYTEST_CURRENT_TEST"} & environ.keys()
    assert environ["A_PASSWORD"] == "p"
    assert environ["WORKSPACE"] == str(job.workspace)
    assert (environ["PROFILE"], environ["CI"], environ["BUILD_NUMBER"]) == ("dev", "true", "7")
    assert (read, is_terminal) == ("", False)


def test_a_step_has_no_terminal_to_open(job: Job) -> None:
    assert job.run(_step("exec </dev/tty")).returncode != 0


def test_the_first_command_that_fails_ends_a_step(job: Job) -> None:
    assert job.run(_step("false\ntouch reached")).returncode == 1
    assert not (job.workspace / "reached").exists()


def test_the_first_step_that_fails_ends_the_build(job: Job) -> None:
    steps = [_step("true"), _step("echo oh; exit 4", stage="Two"), _step("touch reached")]
    with pytest.raises(AssertionError, match=r"stage Two: exit code 4\noh"):
        run_steps(steps, job.run)
    assert not (job.workspace / "reached").exists()


def test_the_last_steps_data_is_returned(job: Job) -> None:
    assert run_steps([_step("echo one"), _step("echo two; echo progress >&2")], job.run) == "two\n"


def test_an_agent_has_none_of_our_environments() -> None:
    path = os.pathsep.join(
        ["/src/.nox/e2e/bin", "/src/.venv/bin", "/tmp/venv/bin", "/usr/bin", "/opt/nox-tool"]
    )
    assert path_without_environments(path) == "/usr/bin:/opt/nox-tool"
