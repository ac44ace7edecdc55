"""Releases that fail, each in its own way: the old one serves, the cause is named, the next one works."""

import json
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.rollout.survey import Manner
from deploy.values.errors import Failure, HostError, LeftDifferent, LockedError, RolledBack, Unreachable
from tests.support.rollouts import SECRET, Releases, invoke, read_until
from tests.support.tiny import build_tiny

BOTH = pytest.mark.parametrize("strategy", ["recreate", "start-first"])


def back_as_before(releases: Releases, version: str) -> None:
    """D0: the old release serves on every host, under its name, and nothing of the failed one is left."""
    assert releases.versions() == [version] * len(releases.hosts)
    for host in releases.hosts:
        containers = releases.containers(host)
        assert set(containers) == {"tiny", "tiny-proxy"}
        assert containers["tiny"]["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    releases.deploy(releases.build("next"))
    assert releases.versions() == ["next"] * len(releases.hosts)


def fails(releases: Releases, version: str, **settings: Any) -> Failure:
    build = releases.build(version)
    with pytest.raises(Failure) as raised:
        releases.deploy(build, **settings)
    return raised.value


def folder(releases: Releases, host: str = "host-1") -> Path:
    return releases.root / "build" / f"failure-{host}"


def test_an_image_with_a_healthcheck_is_judged_by_it_unless_health_path_is_set(releases: Releases) -> None:
    releases.deploy(releases.build("asks-itself-1", healthcheck=True))
    ill = releases.build("asks-itself-2", healthcheck=True)
    with pytest.raises(RolledBack) as raised:
        releases.deploy(ill, app_env={"HEALTH": "500"}, health_timeout=3)
    assert (raised.value.host, raised.value.step) == ("host-1", "health")
    assert raised.value.why.startswith("the image's HEALTHCHECK: unhealthy exit code 1")
    assert releases.versions() == ["asks-itself-1"] * 2
    releases.deploy(ill, app_env={"HEALTH": "500"}, health_path="/")
    assert releases.versions() == ["asks-itself-2"] * 2


@BOTH
@pytest.mark.fault(27)
def test_a_health_check_that_answers_500(releases: Releases, strategy: str) -> None:
    releases.deploy(releases.build("1"))
    error = fails(releases, "2", strategy=strategy, app_env={"HEALTH": "500"}, health_timeout=2)
    assert isinstance(error, RolledBack)
    assert (error.host, error.step) == ("host-1", "health")
    assert "HTTP 500" in error.why
    assert releases.untouched(releases.hosts[1]) or "stop" not in releases.steps(releases.hosts[1])
    assert "build/failure-host-1" in error.advice
    assert (folder(releases) / "container.log").read_text()
    inspected = (folder(releases) / "inspect.json").read_text()
    assert SECRET not in inspected
    assert json.loads(inspected)["Config"]["Env"]
    back_as_before(releases, "1")


@BOTH
@pytest.mark.fault(26)
@pytest.mark.parametrize("after", ["0", "2"])
def test_an_application_that_crashes_fails_at_once(releases: Releases, strategy: str, after: str) -> None:
    releases.deploy(releases.build("1"))
    environment = {"CRASH_AFTER": after, "EXIT_CODE": "7", "START_DELAY": "60"}
    begun = time.monotonic()
    error = fails(releases, "2", strategy=strategy, app_env=environment, health_timeout=60)
    assert isinstance(error, RolledBack)
    assert time.monotonic() - begun < 45, "it was waited for, though it had crashed"
    assert "exit code 7" in error.why
    assert error.details, "the end of its log"
    assert "exit code 7" in (folder(releases) / "why.txt").read_text()
    back_as_before(releases, "1")


@pytest.mark.fault(25)
def test_an_application_without_enough_memory(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    error = fails(releases, "2", memory=16 * 2**20, app_env={"ALLOCATE": "64"})
    assert isinstance(error, RolledBack)
    assert "OOM-killed, limit 16m" in error.why
    back_as_before(releases, "1")


@pytest.mark.fault(30)
def test_an_application_that_fails_after_it_was_healthy(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    error = fails(releases, "2", app_env={"FAIL_AFTER": "2"}, monitor=6)
    assert isinstance(error, RolledBack)
    assert error.step == "monitor"
    assert "HTTP 500" in error.why
    back_as_before(releases, "1")


@pytest.mark.fault(31)
def test_the_old_container_cannot_answer_for_the_new_one(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    error = fails(releases, "2", strategy="start-first", app_env={"PORT": "9090"}, health_timeout=2)
    assert isinstance(error, RolledBack)
    assert "reaches nothing" in error.why
    back_as_before(releases, "1")


@pytest.mark.fault(43)
def test_a_later_host_that_fails_takes_the_earlier_ones_back(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    second = releases.hosts[1]
    build = releases.build("2")
    releases.events.clear()
    thread = threading.Thread(target=lambda: stop_when_started(releases, second.name))
    thread.start()
    with pytest.raises(RolledBack) as raised:
        releases.deploy(build, app_env={"START_DELAY": "3"})
    thread.join()
    assert raised.value.host == second.name
    assert "switch" in releases.steps(releases.hosts[0])
    back_as_before(releases, "1")


def stop_when_started(releases: Releases, host: str) -> None:
    """Kill the candidate on a host as soon as its health is waited for."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(event.step == "health" and event.host == host for event in list(releases.events)):
            candidate = next(event.text for event in releases.events if event.step == "create")
            releases.sandbox.run(host_named(releases, host), f"docker kill {candidate}")
            return
        time.sleep(0.05)


def host_named(releases: Releases, name: str) -> Any:
    return next(host for host in releases.hosts if host.name == name)


def test_a_first_release_that_fails_leaves_nothing(releases: Releases) -> None:
    error = fails(releases, "1", app_env={"HEALTH": "503"}, health_timeout=1)
    assert isinstance(error, RolledBack)
    for host in releases.hosts:
        assert releases.names(host) == set()
        assert "tiny-network" not in releases.sandbox.run(host, "docker network ls")
    releases.deploy(releases.build("2"))
    assert releases.versions() == ["2", "2"]


@pytest.mark.fault(7)
def test_an_image_for_another_machine_is_refused_before_the_old_one_stops(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    proxy = build_tiny(releases.engine, version="proxy", platform="linux/arm64")
    build = releases.build("2", platform="linux/arm64", proxy_image=proxy)
    with pytest.raises(HostError) as raised:
        releases.deploy(build)
    assert "the image is for linux/arm64, the host is linux/amd64" in "\n".join(raised.value.details)
    assert all(releases.untouched(host) for host in releases.hosts)
    back_as_before(releases, "1")


@pytest.mark.fault(23)
def test_a_port_that_somebody_else_listens_on(releases: Releases) -> None:
    build = releases.build("1")
    host = releases.hosts[1]
    releases.sandbox.run(host, "nc -lk 8080 >/dev/null 2>&1 & echo $! > /tmp/listener")
    try:
        with pytest.raises(HostError) as raised:
            releases.deploy(build)
    finally:
        releases.sandbox.run(host, "kill $(cat /tmp/listener)")
    assert any("port 8080 is taken" in text for text in raised.value.details)
    assert all(releases.names(each) == set() for each in releases.hosts)
    releases.deploy(build)


def test_a_foreign_container_is_neither_replaced_nor_removed(releases: Releases) -> None:
    build = releases.build("1")
    host = releases.hosts[1]
    releases.deploy(build, only=(releases.hosts[0],))
    image = releases.sandbox.run(releases.hosts[0], "docker inspect -f '{{.Image}}' tiny").strip()
    archive = f"docker save {image}"
    assert archive
    reference = releases.containers(releases.hosts[0])["tiny"]["Config"]["Image"]
    releases.sandbox.run(host, f"docker pull -q {reference} && docker run -d --name tiny {reference}")
    with pytest.raises(HostError) as raised:
        releases.deploy(build)
    assert any("docker rm -f tiny" in text for text in raised.value.details)
    assert releases.names(host) == {"tiny"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_puts_every_host_back(releases: Releases, number: signal.Signals) -> None:
    releases.deploy(releases.build("1"))
    process = releases.start_process(releases.build("2"), STRATEGY="recreate", APP_ENV_START_DELAY="30")
    said = read_until(process, r" health wait")
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said + rest
    assert "every touched host is back" in rest
    assert "Traceback" not in rest
    back_as_before(releases, "1")


@pytest.mark.fault(39)
def test_a_second_deploy_is_refused_and_told_who_is_at_work(releases: Releases) -> None:
    build = releases.build("1")
    process = releases.start_process(build, APP_ENV_START_DELAY="8")
    read_until(process, r" health wait")
    with pytest.raises(LockedError) as raised:
        releases.deploy(build)
    assert raised.value.exit_code == 3
    assert re.search(r"\b1\b", f"{raised.value.what} {raised.value.why}")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert releases.versions() == ["1", "1"]


def test_a_second_deploy_waits_when_it_is_told_to(releases: Releases) -> None:
    build = releases.build("1")
    process = releases.start_process(build, APP_ENV_START_DELAY="3")
    read_until(process, r" health wait")
    releases.deploy(releases.build("2"), manner=Manner(wait=60))
    assert process.wait(timeout=10) == 0
    assert releases.versions() == ["2", "2"]
    for stream in (process.stdout, process.stderr):
        assert stream
        stream.close()


def test_a_failed_release_is_left_for_a_look_when_that_is_asked_for(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    build = releases.build("2")
    with pytest.raises(LeftDifferent) as raised:
        releases.deploy(
            build, strategy="recreate", app_env={"HEALTH": "500"}, health_timeout=1, manner=Manner(pause=True)
        )
    assert raised.value.exit_code == 9
    assert any(line.startswith("host-1: ") and "health" in line for line in raised.value.details)
    host = releases.hosts[0]
    states = {name: item["State"]["Running"] for name, item in releases.containers(host).items()}
    assert states.pop("tiny") is False
    assert list(states.values()) == [True, True]
    releases.deploy(releases.build("3"))
    assert releases.versions() == ["3", "3"]
    assert releases.names(host) == {"tiny", "tiny-proxy", *earlier(releases)}


def earlier(releases: Releases) -> set[str]:
    """The name that the release of version 1 is kept under."""
    return {name for name in releases.names(releases.hosts[1]) if name.startswith("tiny-2")}


@pytest.mark.fault(1)
def test_a_host_that_is_down_stops_everything_or_is_left_out(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    one, two = releases.hosts
    build = releases.build("2")
    releases.sandbox.client.containers.get(releases.sandbox.sandbox.container(two.name)).stop(timeout=0)
    with pytest.raises(Unreachable) as raised:
        releases.deploy(build)
    assert raised.value.exit_code == 5
    assert raised.value.host == two.name
    assert releases.version(one) == "1"
    result = releases.deploy(build, manner=Manner(skip_unreachable=True))
    assert result.skipped == (two.name,)
    assert releases.version(one) == "2"


@pytest.mark.fault(12)
def test_a_build_that_breaks_contacts_no_host(tmp_path: Path, releases: Releases) -> None:
    (tmp_path / "Broken.java").write_text("class Broken {")
    environ = releases.environ(
        APP_SOURCE=str(tmp_path), BUILD_COMMAND="javac Broken.java", HOSTS="deploy@127.0.0.1:1"
    )
    process = invoke("deploy", folder=tmp_path, environ=environ)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 4, said
    assert "Broken.java" in said
    assert "connect" not in said
