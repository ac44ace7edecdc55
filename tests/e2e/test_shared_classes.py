"""CDS=true: the example application with class data in its image, on a host."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from deploy.artifact.image import build_image
from deploy.values.build import Build
from deploy.values.errors import BuildError
from deploy.values.events import Event, Stream
from tests.support.applications import Application
from tests.support.builds import build_of_jar
from tests.support.images import OURS, remove_images
from tests.support.java_builds import WISH, push_application
from tests.support.rollouts import Releases
from tests.support.sandbox import ROOT

MAPPED = "grep -c /app/app.jsa /proc/1/maps"


@pytest.fixture(autouse=True)
def _images(engine: docker.DockerClient) -> Iterator[None]:
    yield
    remove_images(engine, f"jarship-build/{OURS}/")


def with_file(application: Application, folder: Path, name: str, content: str) -> Build:
    """A build of the application's jar with one more file among its resources."""
    jar = folder / f"{name}.jar"
    shutil.copy2(application.jar, jar)
    with zipfile.ZipFile(jar, "a") as archive:
        archive.writestr(f"BOOT-INF/classes/{name}", content)
    return build_of_jar(jar, app="hello")


@pytest.fixture
def _no_container(engine: docker.DockerClient) -> Iterator[None]:
    """See that the run for class data leaves no container."""
    before = containers(engine)
    yield
    assert containers(engine) == before


def containers(engine: docker.DockerClient) -> set[str]:
    return {str(each["Id"]) for each in engine.api.containers(all=True)}


def layers(build: Build) -> tuple[str, ...]:
    assert build.image is not None
    return build.image.diff_ids


@pytest.mark.thorough
def test_java_maps_the_class_data_and_ends_as_ever(releases: Releases, hello: Application) -> None:
    host = releases.hosts[0]
    build = push_application(releases, hello, tag="1.0.0-cds", cds=True)
    releases.deploy(build, only=(host,), **{**WISH, "cds": True})
    assert "<h1>Hello</h1>" in releases.answer(host)
    assert '"UP"' in releases.answer(host, "/actuator/health")
    container = releases.containers(host)["hello"]["Config"]
    assert container["Entrypoint"] == [
        "java",
        "-XX:SharedArchiveFile=/app/app.jsa",
        "-jar",
        "/app/app.jar",
    ]
    assert "JAVA_TOOL_OPTIONS=-Xmx134m" in " ".join(container["Env"])
    assert int(releases.sandbox.run(host, f"docker exec hello sh -c '{MAPPED}'")) > 0
    assert "[warning][cds" not in releases.sandbox.run(host, "docker logs hello 2>&1")
    code = releases.sandbox.run(host, "docker stop hello > /dev/null; docker wait hello")
    assert code.strip() == "143"


@pytest.mark.thorough
@pytest.mark.usefixtures("_no_container")
def test_another_resource_changes_the_two_layers_on_top(
    releases: Releases, hello: Application, tmp_path: Path
) -> None:
    settings = releases.settings(**{**WISH, "cds": True})
    events: list[Event] = []

    def image(build: Build) -> Build:
        return build_image(build, settings, ROOT, releases.engine, Stream(events.append))

    one = image(build_of_jar(hello.jar, app="hello"))
    assert image(build_of_jar(hello.jar, app="hello")).image == one.image, "there already, not run again"
    other = image(with_file(hello, tmp_path, "page.txt", "another"))
    assert [a == b for a, b in zip(layers(one), layers(other), strict=True)][-2:] == [False, False]
    assert layers(one)[:-2] == layers(other)[:-2]
    told: list[Any] = [event.data["layers"] for event in events if "layers" in event.data]
    reused = {layer["name"]: layer["reused"] for layer in told[-1]}
    assert {"dependencies": True, "application": False, "cds": False}.items() <= reused.items()


@pytest.mark.thorough
@pytest.mark.usefixtures("_no_container")
def test_an_application_that_does_not_start_alone_is_told_of(
    releases: Releases, hello: Application, tmp_path: Path
) -> None:
    build = with_file(hello, tmp_path, "application-cds.properties", "spring.main.banner-mode=nonsense")
    settings = releases.settings(**{**WISH, "cds": True})
    with pytest.raises(BuildError, match="could not be run for its class data") as failed:
        build_image(build, settings, ROOT, releases.engine, Stream())
    assert failed.value.why == "it ended with 1 before its context was there"
    assert "application-cds.yml" in failed.value.advice
    assert "banner-mode" in "\n".join(failed.value.details)
    tags = [tag for image in releases.engine.images.list() for tag in image.tags]
    assert not [tag for tag in tags if tag.startswith(f"jarship-build/{settings.image}")]
