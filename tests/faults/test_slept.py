"""A deployer that sleeps past its lock's end, as a laptop with a closed lid, while somebody else deploys."""

import os
import signal
import time

import pytest

from deploy.values.build import Build
from deploy.values.errors import LockedError
from tests.support.expectations import another, next_deploy_works
from tests.support.held import held_at
from tests.support.rollouts import Releases
from tests.support.state import one_release_serves, states_of

LOCK_SECONDS = 30
"""When the lock of one that sleeps is free at the latest."""


@pytest.mark.fault(39)
@pytest.mark.parametrize("step", ["create", "stop", "switch"])
def test_a_deployer_that_slept_changes_nothing_more(served: Releases, step: str) -> None:
    sleeper, elsewhere = served.build("slept"), served.build(another(served, served.hosts))
    host = served.hosts[1]
    name = f"{host.address}:{host.port}"
    with held_at(served, sleeper, step, host=name, settings={"STRATEGY": "recreate"}) as held:
        os.kill(held.process.pid, signal.SIGSTOP)
        deploy_when_free(served, elsewhere)
        before = states_of(served, served.hosts)
        os.kill(held.process.pid, signal.SIGCONT)
        code, said = held.end()
    assert code == 7, said
    assert "Somebody else has deployed here" in said
    assert all(each.place in said for each in served.hosts), f"does not tell how each host stands:\n{said}"
    assert states_of(served, served.hosts) == before
    one_release_serves(served, served.hosts, elsewhere.tag)
    next_deploy_works(served, hosts=served.hosts)


def deploy_when_free(releases: Releases, build: Build) -> None:
    """Deploy as soon as the locks are free."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            releases.deploy(build)
        except LockedError:
            assert time.monotonic() < deadline, "the lock outlived its sleeping owner"
            time.sleep(0.5)
        else:
            return
