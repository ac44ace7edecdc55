"""Links and engines that fail in the middle of a rollout: it goes back when they return, or goes on."""

import threading

import pytest

from tests.support import injections
from tests.support.expectations import all_as_before, another, deploy_fails
from tests.support.rollouts import Releases
from tests.support.sshd import cut_off
from tests.support.state import one_release_serves, states_of

AWAY = 22.0
"""Seconds; longer than the 16 in which a cut is noticed."""


@pytest.mark.fault(10)
@pytest.mark.parametrize(("step", "code"), [("pull", 5), ("create", 5), ("switch", 6)])
def test_a_link_that_is_cut_for_a_while(served: Releases, step: str, code: int) -> None:
    second = served.hosts[1]
    before = states_of(served, served.hosts)

    def cut() -> None:
        threading.Timer(AWAY, cut_off(served.sandbox, second)).start()

    with served.at(step, second, cut):
        deploy_fails(served, code=code, cause="broke|lost", host=second.name, force=True)
    all_as_before(served, before, settle=40)


@pytest.mark.fault(11)
def test_a_poor_network(served: Releases) -> None:
    first, second = served.hosts
    build = served.build(another(served, served.hosts))
    with injections.poor_network(served.sandbox, second) as far:
        result = served.deploy(build, only=(first, far))
    assert not [event.text for event in served.events if event.step == "undo"], "no false alarm"
    assert result.seconds > 3, "it did take its time"
    one_release_serves(served, served.hosts, build.tag)
