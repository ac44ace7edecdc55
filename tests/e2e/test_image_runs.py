"""The example application's image, run by a real engine: what the Dockerfile promises."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from deploy.artifact.image import build_image
from deploy.sandbox import images
from deploy.values.events import Stream
from tests.support.applications import Application
from tests.support.images import remove_images
from tests.support.settings import make_settings

ROOT = Path(__file__).parents[2]
START_SECONDS = 90.0

Run = Callable[..., tuple[Any, str]]


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient, hello: Application) -> Iterator[str]:
    """The image of the example application, by its id."""
    base = images.ensure(engine, ["java"], hub=images.hub_answers(engine), stream=Stream(), setup="auto")[
        "java"
    ]
    settings = make_settings(image="runs/hello", base_image=base)
    build = hello.build.model_copy(
        update={"jar": hello.build.jar.model_copy(update={"path": str(hello.jar)})}
    )
    made = build_image(build, settings, ROOT, engine, Stream()).image
    assert made is not None
    yield made.id
    remove_images(engine, "jarship-build/runs/")


@pytest.fixture
def run(engine: docker.DockerClient, image: str) -> Iterator[Run]:
    """Starts it with an environment; gives the container and its address when it answers."""
    containers: list[Any] = []

    def start(**environment: str) -> tuple[Any, str]:
        container = engine.containers.run(
            image,
            detach=True,
            environment=environment,
            ports={"8080/tcp": ("127.0.0.1", 0)},
            mem_limit="700m",
        )
        containers.append(container)
        container.reload()
        (published, *_) = container.ports["8080/tcp"] or []
        url = f"http://127.0.0.1:{published['HostPort']}"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if requests.get(f"{url}/actuator/health", timeout=5).status_code == 200:
                    return container, url
            except requests.ConnectionError:
                time.sleep(0.2)
        raise TimeoutError(container.logs(tail=30).decode())

    yield start
    for container in containers:
        container.remove(force=True)


def heap_megabytes(container: Any) -> int:
    """The largest heap that its Java would take."""
    code, output = container.exec_run(["java", "-XX:+PrintFlagsFinal", "-version"])
    assert code == 0
    found = re.search(r"MaxHeapSize\s*=\s*(\d+)", output.decode())
    assert found
    return int(found[1]) >> 20


@pytest.mark.security(15)
def test_one_image_serves_every_profile_without_rights_and_ends_when_told(run: Run) -> None:
    dev, dev_url = run(PROFILE="dev")
    prod, prod_url = run()
    assert dev.image.id == prod.image.id
    assert "dev" in requests.get(dev_url, timeout=5).text
    assert "prod" in requests.get(prod_url, timeout=5).text
    assert dev.exec_run(["id", "-u"]).output == b"10001\n"
    assert dev.exec_run(["sh", "-c", "echo x > /home/app/x && ! echo x > /app/x 2> /dev/null"]).exit_code == 0
    assert dev.exec_run(["cat", "/proc/1/comm"]).output == b"java\n"
    # Three quarters of 700 MiB; Java's own default is a quarter.
    assert 500 <= heap_megabytes(dev) <= 530
    begun = time.monotonic()
    dev.stop(timeout=30)
    assert time.monotonic() - begun < 10
    dev.reload()
    assert dev.attrs["State"]["ExitCode"] == 143


@pytest.mark.thorough
def test_the_heap_can_be_set_from_outside(run: Run) -> None:
    container, _ = run(JAVA_TOOL_OPTIONS="-Xmx200m")
    assert heap_megabytes(container) == 200
