from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.rollout import inside


class Engine:
    """An engine whose execs print what they are given, one after the other."""

    def __init__(self, outputs: Sequence[bytes], states: Sequence[tuple[bool, int | None]] = ()) -> None:
        self._outputs = iter(outputs)
        self._states: Iterator[tuple[bool, int | None]] = iter(states or [(False, 0)] * len(outputs))
        self.commands: list[list[str]] = []

    def exec_create(self, container: str, command: list[str]) -> dict[str, str]:
        self.commands.append(command)
        return {"Id": "1"}

    def exec_start(self, _id: str) -> bytes:
        return next(self._outputs)

    def exec_inspect(self, _id: str) -> dict[str, Any]:
        running, code = next(self._states)
        return {"Running": running, "ExitCode": code}


def site(engine: Engine) -> Any:
    return SimpleNamespace(api=engine, pause=lambda seconds: None)


def test_a_command_gives_its_exit_code_and_what_it_printed() -> None:
    assert inside.run(site(Engine([b"no such file"], [(False, 1)])), "proxy", ["cat", "x"]) == (
        1,
        "no such file",
    )


def test_a_command_that_runs_on_after_its_output_is_waited_for() -> None:
    engine = Engine([b"ok"], [(True, None), (True, None), (False, 3)])
    assert inside.run(site(engine), "proxy", ["true"]) == (3, "ok")


def test_output_that_was_lost_is_asked_for_again() -> None:
    engine = Engine([b"", b"", b"nginx version: nginx/1.30.0"])
    assert "1.30.0" in inside.read(site(engine), "proxy", ["nginx", "-v"], sign="nginx/")
    assert len(engine.commands) == 3


@pytest.mark.parametrize("said", [b"", b"sh: nginx: not found"])
def test_what_never_comes_is_not_asked_for_for_ever(said: bytes) -> None:
    engine = Engine([said] * inside.TRIES)
    assert inside.read(site(engine), "proxy", ["nginx", "-v"], sign="nginx/") == said.decode()
