"""The tiny application does what its switches say: the tests of rollouts rely on it."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import pytest
import requests

from tests.support.tiny import build_tiny

Run = Callable[..., tuple[Any, str]]


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient) -> Iterator[str]:
    name = build_tiny(engine, version="7", app="tiny-itself")
    yield name
    engine.images.remove(name)


@pytest.fixture
def run(engine: docker.DockerClient, image: str) -> Iterator[Run]:
    """Starts it with switches; gives the container and its address."""
    containers: list[Any] = []

    def start(*, ready: bool = True, **switches: str) -> tuple[Any, str]:
        container = engine.containers.run(
            image, detach=True, environment=switches, ports={"8080/tcp": ("127.0.0.1", 0)}
        )
        containers.append(container)
        deadline = time.monotonic() + 10
        while ready and b"listening" not in container.logs() and time.monotonic() < deadline:
            time.sleep(0.02)
        container.reload()
        ports = container.ports.get("8080/tcp") or [{"HostPort": "0"}]
        return container, f"http://127.0.0.1:{ports[0]['HostPort']}"

    yield start
    for container in containers:
        container.remove(force=True)


def test_it_is_small_and_laid_out_as_a_real_one(engine: docker.DockerClient, image: str) -> None:
    attrs = engine.images.get(image).attrs
    assert attrs["Size"] < 2_000_000
    assert attrs["Config"]["User"] == "10001:10001"
    assert attrs["Config"]["Labels"]["io.jarship.health-path"] == "/health"


def test_it_shows_version_and_profile_and_echoes_requests(run: Run) -> None:
    _, url = run(PROFILE="dev")
    assert requests.get(url, timeout=5).text.startswith("version=7 profile=dev host=")
    echoed = requests.post(f"{url}/echo?x=1", data=b"x" * 3_000_000, headers={"X-Mine": "yes"}, timeout=5)
    assert "POST /echo?x=1 HTTP/1.1" in echoed.text
    assert "X-Mine: yes" in echoed.text
    assert "body: 3000000 bytes" in echoed.text


def test_health_is_as_told_and_can_fail_later(run: Run) -> None:
    _, failing = run(HEALTH="503")
    assert requests.get(f"{failing}/health", timeout=5).status_code == 503
    _, later = run(FAIL_AFTER="1")
    assert requests.get(f"{later}/actuator/health", timeout=5).status_code == 200
    time.sleep(1.1)
    assert requests.get(f"{later}/health", timeout=5).status_code == 500


def test_health_can_hang(run: Run) -> None:
    _, url = run(HEALTH_HANGS="1")
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{url}/health", timeout=0.5)
    assert requests.get(url, timeout=5).status_code == 200


def test_it_crashes_with_the_code_it_is_told(run: Run) -> None:
    container, _ = run(ready=False, CRASH_AFTER="0.1", EXIT_CODE="7")
    assert container.wait(timeout=10)["StatusCode"] == 7
    assert b"crashing, as told" in container.logs()


def test_it_starts_late(run: Run) -> None:
    _, url = run(ready=False, START_DELAY="1")
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
    time.sleep(1.2)
    assert requests.get(url, timeout=5).status_code == 200


def test_it_answers_what_it_has_begun_when_it_is_stopped(run: Run) -> None:
    container, url = run()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(requests.get, f"{url}/slow?1", timeout=5)
        time.sleep(0.3)
        container.stop(timeout=10)
        assert answer.result().status_code == 200
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 143


def test_it_can_ignore_the_signal_to_end(run: Run) -> None:
    container, _ = run(IGNORE_TERM="1")
    container.stop(timeout=1)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 137


def test_it_uses_the_memory_that_it_is_told_to(engine: docker.DockerClient, image: str) -> None:
    container = engine.containers.run(image, detach=True, environment={"ALLOCATE": "64"}, mem_limit="16m")
    try:
        # Its OOMKilled is not asked: where the engine hears of the end before the reason, it stays false.
        assert container.wait(timeout=10)["StatusCode"] == 137
    finally:
        container.remove(force=True)


def test_it_upgrades_a_connection(run: Run) -> None:
    _, url = run()
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    with requests.get(url, headers=headers, stream=True, timeout=5) as answer:
        assert answer.status_code == 101
        assert answer.headers["Upgrade"] == "websocket"
