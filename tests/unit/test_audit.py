"""The audit lines on the hosts: whatever comes in their way, how the task ended stays told."""

import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.rollout.audit import Audit
from deploy.values.errors import HostError, RolledBack
from deploy.values.events import Event, Stream


def writing(run: Callable[..., Any], error: BaseException | None = None) -> list[Event]:
    """Write the line of one touched host by a connection that runs so; returns what was told."""
    told: list[Event] = []
    stream = Stream(told.append)
    audit = Audit(app="app", mask=str)
    with stream.heard_by(audit):
        stream.fact(task="deploy")
        stream.fact(host="h1", state="released")
        with stream.step("start", "new", host="h1", phase="start"):
            pass
        connection: Any = SimpleNamespace(host=SimpleNamespace(name="h1"), run=run)
        audit.write(stream, {"h1": connection}, error)
    return told


@pytest.mark.parametrize(
    "error", [HostError("The link is gone.", host="h1"), ConnectionResetError("reset by peer")]
)
def test_a_host_that_cannot_take_its_line_is_warned_of(error: Exception) -> None:
    def run(*_: object, **__: object) -> None:
        raise error

    warnings = [event for event in writing(run) if event.kind == "warning"]
    assert [event.host for event in warnings] == ["h1"]
    assert "audit line" in warnings[0].text


def test_a_signal_meanwhile_hides_neither_the_line_nor_how_it_ended() -> None:
    lines: list[str] = []

    def run(*_: object, stdin: str, **__: object) -> SimpleNamespace:
        signal.raise_signal(signal.SIGTERM)
        lines.append(stdin)
        return SimpleNamespace(code=0, err="")

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        writing(run, RolledBack("It failed.", host="h1"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(lines) == 1
    assert '"exit_code": 6' in lines[0]
