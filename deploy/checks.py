"""The checks of this repository, as `invoke test` runs them: sessions of noxfile.py."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.values.errors import Failure

SESSIONS = ("lint", "types", "unit", "integration", "e2e")
PATIENCE = 150
"""Seconds for interrupted sessions to take down what they started."""


def check(root: Path, sessions: Sequence[str] = SESSIONS) -> None:
    """Run sessions in order, all of them even when one fails; they print what they do.

    They read no input, and form a process group of their own: whatever ends this call early interrupts all of
    them, and waits until their tests have taken down what they started.

    Raises:
        Failure: a session failed.
    """
    argv = (sys.executable, "-m", "nox", "--non-interactive", "--sessions", *sessions)
    with subprocess.Popen(argv, cwd=root, stdin=subprocess.DEVNULL, process_group=0) as process:
        try:
            code = process.wait()
        except BaseException:
            _interrupt(process)
            raise
    if code:
        raise Failure(
            "The checks failed.",
            why="What failed is told above; the last lines name each session.",
            advice=f"To run one alone: {sys.executable} -m nox -s {sessions[0]}",
        )


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
