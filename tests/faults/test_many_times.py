"""What chance has a hand in, often enough to see it: kills at every step, and races for the locks."""

from contextlib import ExitStack

import pytest

from tests.support import matrix
from tests.support.held import held_at
from tests.support.matrix import STEPS, Steady
from tests.support.rollouts import Releases
from tests.support.state import one_release_serves

RACES = 50
LATER = (0.0, 0.05, 0.2)
"""Seconds after a step began: at its beginning, in its midst, and in what follows."""


@pytest.mark.fault(38)
@pytest.mark.parametrize("after", LATER)
@pytest.mark.parametrize("step", STEPS)
def test_kill_9_at_a_step(steady: Steady, step: str, after: float) -> None:
    ways = matrix.strategies(step)
    turn = LATER.index(after)
    matrix.killed(steady, step, ways[turn % len(ways)], after=after, again=1 + turn % 2)


@pytest.mark.fault(39)
def test_of_two_deploys_that_begin_together_one_wins(served: Releases) -> None:
    won = [race(served, number) for number in range(RACES)]
    print(f"\n{RACES} races, {RACES} single winners: {won.count('a')} of one, {won.count('b')} of the other")


def race(releases: Releases, number: int) -> str:
    """Two processes that go for the locks at the same time; returns whose release serves."""
    builds = {name: releases.build(f"{number}-{name}") for name in ("a", "b")}
    # The winner is at work for so long that the other cannot come after it.
    slow = {"APP_ENV_START_DELAY": "3"}
    with ExitStack() as stack:
        held = {
            name: stack.enter_context(held_at(releases, build, "lock", settings=slow))
            for name, build in builds.items()
        }
        for each in held.values():
            each.go_on()
        ended = {name: each.end() for name, each in held.items()}
    codes = {name: code for name, (code, _) in ended.items()}
    assert sorted(codes.values()) == [0, 3], ended
    winner, loser = sorted(codes, key=lambda name: codes[name])
    assert f"deploys {builds[winner].tag}" in ended[loser][1]
    one_release_serves(releases, releases.hosts, builds[winner].tag)
    return winner
