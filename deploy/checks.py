"""The checks of this repository, as `invoke test` runs them: sessions of noxfile.py."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from deploy.preparing import preparing
from deploy.values.errors import Failure

NEEDS_AN_ENGINE = frozenset({"integration", "e2e"})
SESSIONS = ("lint", "types", "unit", "integration", "e2e")
REPORT = Path("build", "checks.json")
"""What Nox tells of each session: its result, its seconds."""
PATIENCE = 150
"""Seconds for interrupted sessions to take down what they started."""


def check(root: Path, sessions: Sequence[str] = SESSIONS) -> None:
    """Run sessions in order, all of them even when one fails; they print what they do.

    They read no input, and form a process group of their own: whatever ends this call early interrupts all of
    them, and waits until their tests have taken down what they started.

    Raises:
        Failure: a session failed; names all that did.
    """
    report = root / REPORT
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    nox = (sys.executable, "-m", "nox")
    argv = (*nox, "--non-interactive", f"--report={report}", "--sessions", *sessions)
    with preparing(root) if NEEDS_AN_ENGINE & set(sessions) else nullcontext():
        code = _run(argv, root)
    if code:
        failed = _failed(report) or sessions
        raise Failure(
            f"The checks failed: {', '.join(failed)}.",
            why="What went wrong is told above.",
            advice=f"To run one alone: {shlex.join(nox)} -s {failed[0]}",
        )


def _run(argv: Sequence[str], root: Path) -> int:
    with subprocess.Popen(argv, cwd=root, stdin=subprocess.DEVNULL, process_group=0) as process:
        try:
            return process.wait()
        except BaseException:
            _interrupt(process)
            raise


def _failed(report: Path) -> list[str]:
    """The sessions that did not succeed; none when Nox did not come so far as to tell."""
    if not report.exists():
        return []
    sessions = json.loads(report.read_text())["sessions"]
    return [session["name"] for session in sessions if session["result"] not in ("success", "skipped")]


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
