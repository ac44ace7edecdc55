"""Every row of bad input, given to `config` and `deploy` as processes.

They need neither Docker nor network: a hook in each process notes whatever reaches out or starts another.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bad_inputs import TREES, Tree

ROOT = Path(__file__).parents[2]

HOOK = """
import os, sys

WATCHED = {"socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.posix_spawn"}

def note(event, arguments):
    if event in WATCHED:
        with open(os.environ["REACHED"], "a") as file:
            print(event, arguments, file=file)

sys.addaudithook(note)
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a process said and did."""

    code: int
    out: str
    err: str
    reached: str
    """What it reached for: connections, names, processes."""
    seconds: float


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """The processes of the chosen tests, a few at a time, by the tests' names."""
    hook = tmp_path_factory.mktemp("hook")
    (hook / "sitecustomize.py").write_text(HOOK)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield {
            item.nodeid: pool.submit(_run, tree, task, tmp_path_factory.mktemp(tree.name), hook)
            for item in request.session.items
            if isinstance(item, pytest.Function) and hasattr(item, "callspec")
            for tree, task in [(item.callspec.params.get("tree"), item.callspec.params.get("task"))]
            if isinstance(tree, Tree) and isinstance(task, str)
        }


def _run(tree: Tree, task: str, directory: Path, hook: Path) -> Outcome:
    tree.plant(directory)
    reached = hook / f"{directory.name}-{task}"
    begun = time.perf_counter()
    options = ["--json"] if task == "config" else []
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "invoke",
            f"--search-root={ROOT}",
            task,
            f"--profile={tree.profile}",
            *options,
        ],
        cwd=directory,
        env={
            **{
                "PATH": os.environ["PATH"],
                "HOME": str(directory),
                "PYTHONPATH": str(hook),
                "REACHED": str(reached),
            },
            **tree.environ,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Outcome(
        code=done.returncode,
        out=done.stdout,
        err=done.stderr,
        reached=reached.read_text() if reached.exists() else "",
        seconds=time.perf_counter() - begun,
    )


def _cases(accepted: bool) -> list[object]:
    return [
        pytest.param(tree, id=tree.id, marks=pytest.mark.input(tree.row))
        for tree in TREES
        if accepted == (not tree.said)
    ]


@pytest.mark.parametrize("task", ["config", "deploy"])
@pytest.mark.parametrize("tree", _cases(accepted=False))
def test_refused(
    tree: Tree, task: str, outcomes: dict[str, Future[Outcome]], request: pytest.FixtureRequest
) -> None:
    outcome = outcomes[request.node.nodeid].result()

    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    lines = outcome.err.splitlines()
    assert [said for said in tree.said if not any(said in line for line in lines)] == [], outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.reached == ""


@pytest.mark.parametrize("task", ["config"])
@pytest.mark.parametrize("tree", _cases(accepted=True))
def test_accepted_and_shown(
    tree: Tree, task: str, outcomes: dict[str, Future[Outcome]], request: pytest.FixtureRequest
) -> None:
    outcome = outcomes[request.node.nodeid].result()

    assert outcome.code == 0, outcome.err
    shown = {row["key"]: row["value"] for row in json.loads(outcome.out)}
    assert {key: shown[key] for key in tree.values} == tree.values
    assert outcome.reached == ""


@pytest.mark.parametrize("task", ["deploy"])
@pytest.mark.parametrize("tree", _cases(accepted=True))
def test_accepted_and_taken_up(
    tree: Tree, task: str, outcomes: dict[str, Future[Outcome]], request: pytest.FixtureRequest
) -> None:
    """The settings pass: what fails is what they name, a source that is not there."""
    outcome = outcomes[request.node.nodeid].result()

    assert outcome.code != 0
    assert "no/such/directory" in outcome.err
    assert "The settings of profile" not in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.reached == ""


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("import socket; socket.socket().connect_ex(('127.0.0.1', 9))", "socket.connect"),
        ("import socket; socket.getaddrinfo('127.0.0.1', 9)", "socket.getaddrinfo"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
    ],
)
def test_the_hook_notes_what_reaches_out(tmp_path: Path, code: str, event: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    reached = tmp_path / "reached"

    subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "REACHED": str(reached)},
        check=True,
    )

    assert event in reached.read_text()


def test_every_row_is_covered() -> None:
    """By the markers of the tests above, which is what counts."""
    tests = (test_refused, test_accepted_and_shown, test_accepted_and_taken_up)
    parametrized = [mark for test in tests for mark in vars(test)["pytestmark"] if mark.name == "parametrize"]
    cases = [case for mark in parametrized if mark.args[0] == "tree" for case in mark.args[1]]

    assert {mark.args[0] for case in cases for mark in case.marks} == set(range(1, 39))
