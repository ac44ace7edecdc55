"""Applications that misbehave: slow to start, mute, deaf to SIGTERM, or with requests that do not end."""

import socket
from typing import Any

import pytest

from deploy.values.mounts import Mount
from tests.support.expectations import all_as_before, another, deploy_fails
from tests.support.requests_in_flight import InFlight
from tests.support.rollouts import APP, Releases
from tests.support.state import one_release_serves, states_of

TIMEOUT = 8
FOLDER = "/srv/tiny-log"
MOUNTS = (Mount(source=FOLDER, target="/log"),)


@pytest.mark.fault(28)
def test_an_application_that_just_makes_it_in_time(served: Releases) -> None:
    version = another(served, served.hosts)
    env = {"START_DELAY": str(TIMEOUT - 4)}
    served.deploy(served.build(version), app_env=env, health_timeout=TIMEOUT)
    one_release_serves(served, served.hosts, version)


@pytest.mark.fault(28)
def test_an_application_that_starts_too_late(served: Releases) -> None:
    before = states_of(served, served.hosts)
    env = {"START_DELAY": str(TIMEOUT + 4)}
    first = served.hosts[0].name
    deploy_fails(served, code=6, cause=f"within {TIMEOUT} s", host=first, app_env=env, health_timeout=TIMEOUT)
    all_as_before(served, before)


@pytest.mark.fault(29)
def test_a_health_check_that_is_never_answered(served: Releases) -> None:
    before = states_of(served, served.hosts)
    deploy_fails(
        served,
        code=6,
        cause="no answer within",
        host=served.hosts[0].name,
        step="health",
        app_env={"HEALTH_HANGS": "1"},
        health_timeout=TIMEOUT,
    )
    all_as_before(served, before)


@pytest.mark.fault(34)
def test_requests_of_twenty_seconds_are_answered_over_a_switch(served: Releases) -> None:
    host = served.hosts[0]
    slow = InFlight(host=host, seconds=20)
    build = served.build(another(served, served.hosts))
    with served.at("switch", host, slow.begin):
        served.deploy(build, strategy="start-first", drain_timeout=60)
    assert slow.wait() == ["200"] * 5


@pytest.mark.fault(35)
def test_an_endless_connection_holds_up_no_rollout(served: Releases) -> None:
    host = served.hosts[0]
    build = served.build(another(served, served.hosts))
    where = ("127.0.0.1", int(host.url.rpartition(":")[2]))
    with socket.create_connection(where, timeout=30) as endless:
        endless.sendall(b"GET /endless HTTP/1.1\r\nHost: tiny\r\n\r\n")
        assert endless.recv(100).startswith(b"HTTP/1.1 200")
        served.deploy(build, strategy="start-first", drain_timeout=3)
    told = [event.text for event in served.events if event.kind == "warning" and event.host == host.name]
    assert any("still open after 3 s" in text for text in told), told
    one_release_serves(served, served.hosts, build.tag)


@pytest.mark.fault(36)
def test_an_application_that_ignores_sigterm_is_killed_and_told_of(served: Releases) -> None:
    deaf = served.build(another(served, served.hosts))
    served.deploy(deaf, app_env={"IGNORE_TERM": "1"}, stop_timeout=2)
    served.deploy(served.build("heeds"), strategy="recreate")
    told = [event.text for event in served.events if event.kind == "warning"]
    assert sum("exit code 137" in text for text in told) == len(served.hosts), told
    one_release_serves(served, served.hosts, "heeds")


@pytest.mark.fault(45)
def test_an_old_release_that_cannot_come_back_either(served: Releases) -> None:
    """Both write to a directory that nobody may write to any more, as when what they share is gone."""
    host = served.hosts[0]
    served.sandbox.run(host, f"install -d -o 10001 -g 10001 {FOLDER}")
    served.sandbox.reset()
    with_log: dict[str, Any] = {
        "only": (host,),
        "strategy": "recreate",
        "log_file": "/log/tiny.log",
        "mounts": MOUNTS,
    }
    served.deploy(served.build("old"), **with_log)
    build = served.build("new")
    with served.at("start", host, lambda: served.sandbox.run(host, f"chown -R 0:0 {FOLDER}")):
        failure = deploy_fails(served, build, code=7, cause="Going back failed", host=host.name, **with_log)
    containers = served.containers(host)
    assert APP in containers, "the old release's container is there to be looked at"
    assert served.candidate() in containers, "and the new one's"
    assert any("exit code 3" in line or "tiny" in line for line in failure.details), failure.details
    served.sandbox.run(host, f"chown -R 10001:10001 {FOLDER}")
    served.deploy(served.build("mended"), **with_log)
    assert served.version(host) == "mended"
    served.sandbox.reset()
