"""A command of the user's project, run: its output, its exit code, and nothing of it left behind."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import child
from deploy.values.errors import Interrupted

HERE = Path(__file__).parent


def sh(script: str, lines: list[str], *, wait: float = 1.0) -> int:
    return child.run(["sh", "-c", script], cwd=HERE, env=child.environment(), line=lines.append, wait=wait)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_lines_come_from_both_outputs_in_order_and_the_exit_code_is_told() -> None:
    lines: list[str] = []

    assert sh("echo one; echo two >&2; printf 'three\\r\\nfour'; exit 3", lines) == 3

    assert lines == ["one", "two", "three", "four"]


def test_bytes_that_are_not_utf8_do_not_stop_it() -> None:
    lines: list[str] = []

    assert sh(r"printf 'caf\351 \303\251\n'", lines) == 0

    assert lines == ["caf\ufffd é"]


def test_a_command_has_no_input_and_no_terminal_to_ask_at() -> None:
    lines: list[str] = []

    assert sh("cat; (: </dev/tty) 2>/dev/null || echo none", lines) == 0

    assert lines == ["none"]


def test_a_command_that_a_signal_ended_tells_the_signal() -> None:
    assert sh("kill -9 $$", []) == -9


def test_a_command_that_cannot_start_raises() -> None:
    with pytest.raises(FileNotFoundError):
        child.run(["./no-such-wrapper"], cwd=HERE, env={}, line=print)


def test_a_command_that_closes_its_output_is_waited_for() -> None:
    begun = time.monotonic()

    assert sh("exec >&- 2>&-; sleep 0.4; exit 5", []) == 5

    assert time.monotonic() - begun >= 0.4


def test_what_a_command_leaves_running_is_ended_and_not_waited_for() -> None:
    lines: list[str] = []
    begun = time.monotonic()

    assert sh("sleep 60 & echo $!", lines, wait=0.2) == 0

    assert time.monotonic() - begun < 5
    assert not is_alive(int(lines[0]))


def test_what_a_command_leaves_chattering_is_ended_too() -> None:
    lines: list[str] = []

    assert sh("(while :; do echo chat; sleep 0.05; done) & echo done; exit 4", lines, wait=0.2) == 4

    assert "done" in lines


def test_an_exception_ends_the_whole_group() -> None:
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        child.run(
            ["sh", "-c", "echo $$; sleep 60 & echo $!; wait"],
            cwd=HERE,
            env=child.environment(),
            line=stop,
        )

    assert not any(is_alive(int(pid)) for pid in lines)


def test_a_group_that_ignores_the_request_is_ended_when_patience_is_over() -> None:
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        child.run(
            ["sh", "-c", "trap '' TERM; echo $$; sleep 60"],
            cwd=HERE,
            env=child.environment(),
            line=stop,
            patience=0.2,
        )

    assert not is_alive(int(lines[0]))


@pytest.fixture
def interrupting() -> Iterator[None]:
    def interrupt(number: int, _frame: object) -> None:
        raise Interrupted(number)

    before = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("interrupting")
def test_a_signal_here_ends_the_group() -> None:
    lines: list[str] = []
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()

    with pytest.raises(Interrupted):
        sh("echo $$; sleep 60", lines)

    timer.join()
    assert not is_alive(int(lines[0]))


def test_the_environment_has_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JARSHIP_APP_GIT_TOKEN", "a")
    monkeypatch.setenv("JARSHIP_REGISTRY_PASSWORD", "b")
    monkeypatch.setenv("JARSHIP_SECRET_DB", "c")
    monkeypatch.setenv("JARSHIP_APP_NAME", "kept")
    monkeypatch.setenv("THEIR_TOKEN", "kept")

    env = child.environment({"ADDED": "1"})

    assert not {"JARSHIP_APP_GIT_TOKEN", "JARSHIP_REGISTRY_PASSWORD", "JARSHIP_SECRET_DB"} & env.keys()
    assert (env["JARSHIP_APP_NAME"], env["THEIR_TOKEN"], env["ADDED"]) == ("kept", "kept", "1")
