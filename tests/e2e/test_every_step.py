"""A signal or kill -9 at every step of a rollout, once each."""

import signal

import pytest

from tests.support import matrix
from tests.support.matrix import STEPS, Steady


def strategy_of(step: str) -> str:
    """One of the two, in turn."""
    ways = matrix.strategies(step)
    return ways[STEPS.index(step) % len(ways)]


@pytest.mark.fault(37)
@pytest.mark.parametrize("step", STEPS)
def test_a_signal_at_a_step(steady: Steady, step: str) -> None:
    number = (signal.SIGTERM, signal.SIGINT)[STEPS.index(step) // 2 % 2]
    matrix.interrupted(steady, step, strategy_of(step), number)


@pytest.mark.fault(38)
@pytest.mark.parametrize("step", STEPS)
def test_kill_9_at_a_step(steady: Steady, step: str) -> None:
    matrix.killed(steady, step, strategy_of(step))


@pytest.mark.fault(37)
@pytest.mark.fault(38)
def test_every_announced_step_has_its_cases(steady: Steady) -> None:
    steady.empty()
    seen: set[str] = set()
    for number, strategy in ((0, "start-first"), (1, "start-first"), (2, "recreate")):
        steady.deploy(number, strategy=strategy, monitor=1)
        seen |= set(matrix.announced(steady.releases))
    assert seen <= set(STEPS)
    steady.broken = False
