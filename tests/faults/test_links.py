"""Links and engines that fail in the middle of a rollout: it goes back when they return, or goes on."""

import threading

import pytest

from tests.support import injections
from tests.support.expectations import all_as_before, deploy_fails, next_deploy_works
from tests.support.rollouts import Releases
from tests.support.sshd import cut_off
from tests.support.state import states_of

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
    with injections.poor_network(served.sandbox, served.hosts[1]):
        next_deploy_works(served, hosts=served.hosts)


@pytest.mark.fault(42)
def test_an_engine_that_restarts_while_the_candidate_is_waited_for(served: Releases) -> None:
    second = served.hosts[1]
    before = states_of(served, served.hosts)
    end = injections.end_engine
    with served.at("health", second, lambda: end(served.sandbox, second)):
        deploy_fails(served, code=6, cause="Docker|exited|connection", host=second.name)
    all_as_before(served, before, settle=60)
