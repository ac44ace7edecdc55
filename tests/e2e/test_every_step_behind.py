"""A signal or kill -9 at every step that hosts behind a balancer add, once each."""

import signal

import pytest

from tests.support import matrix
from tests.support.balanced import SteadyBehind
from tests.support.matrix import STEPS, STEPS_BEHIND

pytestmark = pytest.mark.thorough


def strategy_of(step: str) -> str:
    """One of the two, in turn."""
    return matrix.BOTH[STEPS_BEHIND.index(step) % 2]


@pytest.mark.fault(37)
@pytest.mark.parametrize("step", STEPS_BEHIND)
def test_a_signal_at_a_step(steady_behind: SteadyBehind, step: str) -> None:
    number = (signal.SIGTERM, signal.SIGINT)[STEPS_BEHIND.index(step) // 2 % 2]
    matrix.interrupted(steady_behind, step, strategy_of(step), number)


@pytest.mark.fault(38)
@pytest.mark.parametrize("step", STEPS_BEHIND)
def test_kill_9_at_a_step(steady_behind: SteadyBehind, step: str) -> None:
    matrix.killed(steady_behind, step, strategy_of(step))


@pytest.mark.fault(37)
@pytest.mark.fault(38)
def test_every_announced_step_has_its_cases(steady_behind: SteadyBehind) -> None:
    steady_behind.empty()
    seen: set[str] = set()
    for number, strategy in ((0, "start-first"), (1, "recreate")):
        steady_behind.deploy(number, strategy=strategy, monitor=1)
        seen |= set(matrix.announced(steady_behind.releases))
    assert set(STEPS_BEHIND) <= seen <= {*STEPS, *STEPS_BEHIND, "hook"}
    steady_behind.broken = False
