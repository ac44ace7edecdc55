"""Releases that fail, each in its own way: the old one serves, the cause is named, the next one works."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.rollout.survey import Manner
from deploy.values.errors import Failure, HostError, LeftDifferent, LockedError, RolledBack, Unreachable
from tests.support.expectations import all_as_before, another, next_deploy_works
from tests.support.rollouts import SECRET, Releases, invoke, read_until
from tests.support.state import one_release_serves, states_of
from tests.support.tiny import build_tiny

BOTH = pytest.mark.parametrize("strategy", ["recreate", "start-first"])


@contextmanager
def as_before(served: Releases) -> Iterator[None]:
    """D0: all is as it was before the block, and the next deploy works."""
    before = states_of(served, served.hosts)
    yield
    all_as_before(served, before)


def fails(releases: Releases, **settings: Any) -> Failure:
    build = releases.build("bad")
    with pytest.raises(Failure) as raised:
        releases.deploy(build, **settings)
    return raised.value


def folder(releases: Releases, host: str = "host-1") -> Path:
    return releases.root / "build" / f"failure-{host}"


@pytest.mark.thorough
def test_an_image_with_a_healthcheck_is_judged_by_it_unless_health_path_is_set(served: Releases) -> None:
    ill = served.build("asks-itself", healthcheck=True)
    before = served.versions()
    with pytest.raises(RolledBack) as raised:
        served.deploy(ill, app_env={"HEALTH": "500"}, health_timeout=3)
    assert (raised.value.host, raised.value.step) == ("host-1", "health")
    assert raised.value.why.startswith("the image's HEALTHCHECK: unhealthy exit code 1")
    assert served.versions() == before
    served.deploy(ill)
    served.deploy(ill, app_env={"HEALTH": "500"}, health_path="/")
    assert served.versions() == ["asks-itself"] * 2


@BOTH
@pytest.mark.fault(27)
def test_a_health_check_that_answers_500(served: Releases, strategy: str) -> None:
    with as_before(served):
        error = fails(served, strategy=strategy, app_env={"HEALTH": "500"}, health_timeout=2)
        assert isinstance(error, RolledBack)
        assert (error.host, error.step) == ("host-1", "health")
        assert "HTTP 500" in error.why
        assert served.untouched(served.hosts[1]) or "stop" not in served.steps(served.hosts[1])
        assert "build/failure-host-1" in error.advice
        assert (folder(served) / "container.log").read_text()
        inspected = (folder(served) / "inspect.json").read_text()
        assert SECRET not in inspected
        assert json.loads(inspected)["Config"]["Env"]


@BOTH
@pytest.mark.fault(26)
@pytest.mark.parametrize("after", ["0", pytest.param("2", marks=pytest.mark.thorough)])
def test_an_application_that_crashes_fails_at_once(served: Releases, strategy: str, after: str) -> None:
    environment = {"CRASH_AFTER": after, "EXIT_CODE": "7", "START_DELAY": "60"}
    with as_before(served):
        begun = time.monotonic()
        error = fails(served, strategy=strategy, app_env=environment, health_timeout=60)
        assert isinstance(error, RolledBack)
        assert time.monotonic() - begun < 45, "it was waited for, though it had crashed"
        assert "exit code 7" in error.why
        assert error.details, "the end of its log"
        assert "exit code 7" in (folder(served) / "why.txt").read_text()


@pytest.mark.thorough
@pytest.mark.fault(25)
def test_an_application_without_enough_memory(served: Releases) -> None:
    with as_before(served):
        error = fails(served, memory=16 * 2**20, app_env={"ALLOCATE": "64"})
        assert isinstance(error, RolledBack)
        assert "OOM-killed, limit 16m" in error.why


@pytest.mark.thorough
@pytest.mark.fault(30)
def test_an_application_that_fails_after_it_was_healthy(served: Releases) -> None:
    with as_before(served):
        error = fails(served, app_env={"FAIL_AFTER": "2"}, monitor=6)
        assert isinstance(error, RolledBack)
        assert error.step == "monitor"
        assert "HTTP 500" in error.why


@pytest.mark.thorough
@pytest.mark.fault(31)
def test_the_old_container_cannot_answer_for_the_new_one(served: Releases) -> None:
    with as_before(served):
        error = fails(served, strategy="start-first", app_env={"PORT": "9090"}, health_timeout=2)
        assert isinstance(error, RolledBack)
        assert "reaches nothing" in error.why


@pytest.mark.fault(43)
def test_a_later_host_that_fails_takes_the_earlier_ones_back(served: Releases) -> None:
    second = served.hosts[1]

    def kill_candidate() -> None:
        served.sandbox.run(second, f"docker kill {served.candidate()}")

    with as_before(served), served.at("health", second, kill_candidate):
        error = fails(served, app_env={"START_DELAY": "3"})
        assert isinstance(error, RolledBack)
        assert error.host == second.name
        assert "switch" in served.steps(served.hosts[0])


def test_a_first_release_that_fails_leaves_nothing(releases: Releases) -> None:
    error = fails(releases, app_env={"HEALTH": "503"}, health_timeout=1)
    assert isinstance(error, RolledBack)
    for host in releases.hosts:
        assert releases.names(host) == set()
        assert "tiny-network" not in releases.sandbox.run(host, "docker network ls")
    releases.deploy(releases.build("2"))
    assert releases.versions() == ["2", "2"]


@pytest.mark.thorough
@pytest.mark.fault(7)
def test_an_image_for_another_machine_is_refused_before_the_old_one_stops(served: Releases) -> None:
    proxy = build_tiny(served.engine, version="proxy", platform="linux/arm64")
    build = served.build("other", platform="linux/arm64", proxy_image=proxy)
    with as_before(served):
        with pytest.raises(HostError) as raised:
            served.deploy(build)
        assert "the image is for linux/arm64, the host is linux/amd64" in "\n".join(raised.value.details)
        assert all(served.untouched(host) for host in served.hosts)


@pytest.mark.fault(23)
def test_a_port_that_somebody_else_listens_on(releases: Releases) -> None:
    build = releases.build("1")
    host = releases.hosts[1]
    with releases.listening(host, 8080), pytest.raises(HostError) as raised:
        releases.deploy(build)
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


@pytest.mark.thorough
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.thorough), signal.SIGTERM])
def test_a_signal_puts_every_host_back(served: Releases, number: signal.Signals) -> None:
    with as_before(served):
        process = served.start_process(served.build("bad"), STRATEGY="recreate", APP_ENV_START_DELAY="30")
        said = read_until(process, r" health wait")
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
        assert process.returncode == 128 + number, said + rest
        assert "every touched host is back" in rest
        assert "Traceback" not in rest


@pytest.mark.fault(39)
def test_a_second_deploy_is_refused_and_told_who_is_at_work(served: Releases) -> None:
    build = served.build(another(served, served.hosts))
    process = served.start_process(build, APP_ENV_START_DELAY="3")
    read_until(process, r" health wait")
    with pytest.raises(LockedError) as raised:
        served.deploy(build)
    assert raised.value.exit_code == 3
    assert build.tag in f"{raised.value.what} {raised.value.why}"
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    one_release_serves(served, served.hosts, build.tag)


@pytest.mark.thorough
def test_a_second_deploy_waits_when_it_is_told_to(served: Releases) -> None:
    build = served.build(another(served, served.hosts))
    process = served.start_process(build, APP_ENV_START_DELAY="3")
    read_until(process, r" health wait")
    served.deploy(served.build("second"), manner=Manner(wait=60))
    assert process.wait(timeout=10) == 0
    one_release_serves(served, served.hosts, "second")
    for stream in (process.stdout, process.stderr):
        assert stream
        stream.close()


@pytest.mark.thorough
def test_a_failed_release_is_left_for_a_look_when_that_is_asked_for(served: Releases) -> None:
    host = served.hosts[0]
    kept = served.names(host) - {"tiny"}
    build = served.build("bad")
    with pytest.raises(LeftDifferent) as raised:
        served.deploy(
            build, strategy="recreate", app_env={"HEALTH": "500"}, health_timeout=1, manner=Manner(pause=True)
        )
    assert raised.value.exit_code == 9
    assert any(line.startswith("host-1: ") and "health" in line for line in raised.value.details)
    states = {name: item["State"]["Running"] for name, item in served.containers(host).items()}
    assert states.pop("tiny") is False
    assert states.pop("tiny-proxy") is True
    assert [name for name in states if name not in kept and states[name]] == [served.candidate()]
    next_deploy_works(served)
    assert served.candidate() not in served.names(host)


@pytest.mark.thorough
@pytest.mark.fault(1)
def test_a_host_that_is_down_stops_everything_or_is_left_out(served: Releases) -> None:
    one, two = served.hosts
    before = served.version(one)
    build = served.build(another(served, served.hosts))
    served.sandbox.client.containers.get(served.sandbox.sandbox.container(two.name)).stop(timeout=0)
    with pytest.raises(Unreachable) as raised:
        served.deploy(build)
    assert raised.value.exit_code == 5
    assert raised.value.host == two.name
    assert served.version(one) == before
    result = served.deploy(build, manner=Manner(skip_unreachable=True))
    assert result.skipped == (two.name,)
    assert served.version(one) == build.tag
    served.sandbox.reset()


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
