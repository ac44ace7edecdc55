"""A host that reboots in the middle of a rollout comes back with one release: the one from before."""

import pytest

from tests.support.expectations import all_as_before, deploy_fails
from tests.support.rollouts import Releases
from tests.support.state import states_of

LATER = pytest.param("monitor", "start-first", marks=pytest.mark.thorough)


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    ("step", "strategy"),
    [("start", "recreate"), LATER],
)
def test_a_reboot_after_create_or_after_the_switch(releases: Releases, step: str, strategy: str) -> None:
    releases.deploy(releases.build("1"))
    before = states_of(releases, releases.hosts)
    second = releases.hosts[1]
    with releases.at(step, second, lambda: releases.sandbox.restart(second)):
        deploy_fails(releases, code=6, cause="broke|lost", host=second.name, strategy=strategy, monitor=3)
    all_as_before(releases, before)
