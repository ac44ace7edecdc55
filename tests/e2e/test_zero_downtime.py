"""Users keep asking while releases come and go: under start-first not one request is lost, nor by going back.

`nox -s zero_downtime` does the same at length and prints the figures.
"""

import time

import pytest

from deploy.values.errors import RolledBack
from tests.support.probing import longest_gap, probing, told
from tests.support.requests_in_flight import InFlight
from tests.support.rollouts import Releases

START = 1.5
"""Seconds that the application takes to start, where that is measured."""


def test_start_first_loses_no_request(releases: Releases) -> None:
    builds = [releases.build("1"), releases.build("2")]
    releases.deploy(builds[0])
    with probing(releases.hosts, releases.root) as probe:
        for number in (1, 2, 3):
            time.sleep(0.5)
            releases.deploy(builds[number % 2], strategy="start-first")
    assert not probe.lost, told(probe.requests)
    assert probe.versions() == ["1", "2"]


@pytest.mark.thorough
def test_going_back_after_the_switch_loses_no_request(releases: Releases) -> None:
    """The first host serves the new release already when the second one's candidate dies."""
    releases.deploy(releases.build("1"))
    build = releases.build("2")
    second = releases.hosts[1]

    def kill() -> None:
        releases.sandbox.run(second, f"docker kill {releases.candidate()}")

    with probing(releases.hosts, releases.root) as probe:
        with releases.at("health", second, kill), pytest.raises(RolledBack):
            releases.deploy(build, strategy="start-first", app_env={"START_DELAY": "1"})
        time.sleep(0.5)
    assert not probe.lost, told(probe.requests)
    assert probe.versions() == ["1", "2"]
    assert releases.versions() == ["1", "1"]


@pytest.mark.fault(34)
def test_what_was_begun_before_a_switch_is_answered(releases: Releases) -> None:
    host = releases.hosts[0]
    releases.deploy(releases.build("1"), only=(host,))
    slow = InFlight(host=host, seconds=4)
    with releases.at("switch", host, slow.begin):
        releases.deploy(releases.build("2"), only=(host,), strategy="start-first", drain_timeout=30)
    assert slow.wait() == ["200"] * 5
    assert releases.version(host) == "2"


@pytest.mark.thorough
def test_recreate_is_away_for_little_longer_than_the_start(releases: Releases) -> None:
    one = releases.hosts[:1]
    releases.deploy(releases.build("1"), only=one)
    build = releases.build("2")
    with probing(one, releases.root) as probe:
        time.sleep(0.5)
        releases.deploy(build, only=one, strategy="recreate", app_env={"START_DELAY": str(START)})
        time.sleep(0.5)
    assert probe.lost
    gap = longest_gap(probe.requests, 0)
    assert START < gap < START + 10, f"{gap:.1f} s: more than the start and a loaded machine explain"
