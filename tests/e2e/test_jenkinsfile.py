"""The shell steps of the Jenkinsfile itself, from a new clone to an application that answers."""

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import docker
import pytest

from deploy.artifact.bom import PATH
from deploy.command import EVENTS
from tests.support.clone import ROOT, commit_all, new_clone
from tests.support.git_server import git
from tests.support.jenkins import Job, run_steps
from tests.support.jenkinsfile import Step, parameters, shell_steps
from tests.support.leaks import canary

TEXT = (ROOT / "Jenkinsfile").read_text()
STEPS = shell_steps(TEXT)

SETTINGS = """\
APP_NAME=hello
APP_GIT_URL=file://{application}
REGISTRY=sandbox
HOSTS=sandbox
SANDBOX_HOSTS=1
MEMORY=384m
"""


def _git_repository(folder: Path) -> Path:
    shutil.copytree(ROOT / "examples" / "hello", folder, ignore=shutil.ignore_patterns("target"))
    git(folder, "init", "--quiet")
    commit_all(folder, "Say hello")
    return folder


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient) -> Iterator[Job]:
    folder = tmp_path_factory.mktemp("jenkins")
    application = _git_repository(folder / "application")
    workspace = new_clone(folder / "workspace")
    (workspace / ".env.dev").write_text(SETTINGS.format(application=application))
    commit_all(workspace, "Settings of the team")
    key = folder / "ssh-key"
    key.write_text(canary("ssh-key"))
    key.chmod(0o600)
    job = Job(
        workspace=workspace,
        parameters=parameters(TEXT),
        credentials={
            "JARSHIP_APP_GIT_TOKEN": canary("git-token"),
            "JARSHIP_REGISTRY_USER": "jenkins",
            "JARSHIP_REGISTRY_PASSWORD": canary("registry"),
            "JARSHIP_SSH_KEY": str(key),
        },
        # Those that run this run all unit tests too, and check the same types: here it is about the steps.
        agent={
            "PYTEST_ADDOPTS": "-k test_names",
            "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache"),
            "UV_COMPILE_BYTECODE": "0",
        },
    )
    yield job
    job.run(Step(stage="Afterwards", command="./invokew sandbox.down", credentials=()))


def release(steps: list[Step], job: Job) -> None:
    """Run the steps of the Jenkinsfile; the application of this build answers afterwards."""
    summary = run_steps(steps, job.run)
    addresses = re.findall(r"http://127\.0\.0\.1:\d+", summary)
    assert addresses
    for address in addresses:
        with urlopen(address, timeout=10) as answer:
            assert answer.status == 200
    assert f"-b{job.number}" in summary
    events = [json.loads(line) for line in (job.workspace / EVENTS).read_text().splitlines()]
    finished = {event["step"] for event in events if event["kind"] == "finished" and event["seconds"]}
    assert {"sandbox.up", "jar", "pull", "health", "switch", "commit"} <= finished
    bill = json.loads((job.workspace / PATH).read_text())
    assert bill["metadata"]["component"]["name"] == "hello"


def test_the_steps_lead_from_a_new_clone_to_an_application_that_answers(job: Job) -> None:
    release(STEPS, job)


@pytest.mark.thorough
@pytest.mark.security(9)
def test_a_debug_run_tells_more_and_no_secret(job: Job) -> None:
    """--debug turns on the logging of every library; this test is watched for leaks as all of these are."""
    command = "./invokew --debug deploy --profile=dev --force"
    done = job.run(dataclasses.replace(STEPS[-1], command=command))
    assert done.returncode == 0, done.stderr[-4000:]
    assert "paramiko.transport" in done.stderr


@pytest.mark.parametrize("position", range(len(STEPS)), ids=[step.stage for step in STEPS])
def test_any_step_that_fails_fails_the_whole(job: Job, position: int) -> None:
    """With `false` in its place; those before it are `true` here, for they were run in earnest above."""
    commands = ["true"] * position + ["false"] + ["echo reached >reached"] * (len(STEPS) - position - 1)
    steps = [dataclasses.replace(step, command=text) for step, text in zip(STEPS, commands, strict=True)]
    with pytest.raises(AssertionError, match=f"stage {STEPS[position].stage}: exit code 1"):
        release(steps, job)
    assert not (job.workspace / "reached").exists()
