import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.checks import SESSIONS, check
from deploy.values.errors import Failure

NOXFILE = """
import sys
import nox

@nox.session(venv_backend="none")
def good(session):
    session.run(sys.executable, "-c", "import sys; assert sys.stdin.read() == ''; open('good', 'w')")

@nox.session(venv_backend="none")
def integration(session):
    session.run(sys.executable, "-c", "open('integrated', 'w')")

@nox.session(venv_backend="none")
def bad(session):
    session.run(sys.executable, "-c", "raise SystemExit(3)")

@nox.session(venv_backend="none")
def slow(session):
    session.run(sys.executable, "slow.py", interrupt_timeout=20)
"""

SLOW = """
import time
try:
    open("started", "w").close()
    time.sleep(60)
finally:
    time.sleep(1)
    open("taken-down", "w").close()
"""

TERMINABLE = """
import signal, sys
from pathlib import Path
from deploy.checks import check

def end(number, frame):
    raise SystemExit(143)

# Both, as a task does: what it starts can be interrupted then, also where this process was to ignore SIGINT.
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
check(Path(sys.argv[1]), ["slow"])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "noxfile.py").write_text(NOXFILE)
    (tmp_path / "slow.py").write_text(SLOW)
    return tmp_path


def test_what_could_not_be_prepared_is_left_to_the_sessions(project: Path) -> None:
    """There is no package here to prepare by."""
    check(project, ["integration"])
    assert (project / "integrated").exists()


def test_every_session_runs_without_input(project: Path) -> None:
    check(project, ["good"])
    assert (project / "good").exists()


def test_one_failed_session_fails_the_whole_and_the_rest_still_runs(project: Path) -> None:
    with pytest.raises(Failure) as caught:
        check(project, ["bad", "good"])
    assert caught.value.exit_code == 1
    assert caught.value.what == "The checks failed: bad."
    assert caught.value.advice.endswith(" -m nox -s bad")
    assert (project / "good").exists()


def test_a_session_that_nobody_knows_fails_too(project: Path) -> None:
    with pytest.raises(Failure, match="The checks failed: unknown"):
        check(project, ["unknown"])


def test_an_end_from_outside_waits_for_the_tests_to_take_down_what_they_started(project: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINABLE, str(project)], cwd=Path(__file__).parents[2]
    )
    deadline = time.monotonic() + 20
    while not (project / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert (project / "taken-down").exists()


def test_the_sessions_are_those_of_the_noxfile() -> None:
    import noxfile

    assert all(hasattr(noxfile, name) for name in SESSIONS)
