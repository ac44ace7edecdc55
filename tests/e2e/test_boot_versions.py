"""Three generations of Spring Boot, and a project's own Dockerfile: built by Maven, deployed, serving."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from pydantic import SecretStr

from deploy.values.build import Build
from tests.support.applications import ROOT, Application, build_application, copy_application
from tests.support.images import OURS, remove_images
from tests.support.java_builds import WISH, push_application
from tests.support.leaks import canary
from tests.support.rollouts import Releases, invoke

LAUNCHER = "org.springframework.boot.loader.launch.JarLauncher"
OLD_LAUNCHER = "org.springframework.boot.loader.JarLauncher"
"""Before Spring Boot 3.2."""
JAVA_11, JAVA_17 = 55, 61
"""Major versions of class files: The Java Virtual Machine Specification, 4.1."""


@pytest.fixture
def application(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The application of a directory of tests/data, or the example."""
    name: str = request.param
    if name == "hello":
        hello: Application = request.getfixturevalue("hello")
        return hello
    root = tmp_path_factory.mktemp(name)
    copy_application(ROOT / "tests/data" / name, root)
    return build_application(root)


@pytest.fixture(autouse=True)
def _images(engine: docker.DockerClient) -> Iterator[None]:
    yield
    remove_images(engine, f"jarship-build/{OURS}/")


def layers(releases: Releases, build: Build) -> list[int]:
    """Bytes of the image's layers that are not empty, the highest first."""
    assert build.image is not None
    api: Any = releases.engine.api  # its calls have no types
    return [step["Size"] for step in api.history(build.image.id) if step["Size"]]


def bytecode(application: Application) -> int:
    """The version of the bytecode of the application's own classes."""
    with zipfile.ZipFile(application.jar) as jar:
        name = next(entry for entry in jar.namelist() if entry.endswith("Application.class"))
        return int.from_bytes(jar.read(name)[6:8], "big")


@pytest.mark.parametrize(
    ("application", "version", "launcher", "classes", "page"),
    [
        pytest.param("boot27", "2.7.", OLD_LAUNCHER, JAVA_11, "boot=2.7.", marks=pytest.mark.thorough),
        pytest.param("hello", "3.5.", LAUNCHER, JAVA_17, "<h1>Hello</h1>", marks=pytest.mark.thorough),
        pytest.param("boot40", "4.0.", LAUNCHER, JAVA_17, "boot=4.0.", marks=pytest.mark.thorough),
    ],
    indirect=["application"],
)
def test_a_jar_of_each_generation_is_layered_by_its_index_and_serves(
    releases: Releases, application: Application, version: str, launcher: str, classes: int, page: str
) -> None:
    jar = application.build.jar
    assert jar.boot_version.startswith(version)
    assert jar.layers == ("dependencies", "spring-boot-loader", "snapshot-dependencies", "application")
    assert bytecode(application) == classes

    host = releases.hosts[0]
    build = push_application(releases, application)
    application_layer, loader, dependencies, *_ = layers(releases, build)
    assert application_layer < 100_000 < loader < 1_000_000
    assert dependencies > 10_000_000
    secret = {"MANAGEMENT_ENDPOINT_HEALTH_SHOWDETAILS": SecretStr("always")}
    releases.deploy(build, only=(host,), secrets=secret, secrets_as="files", **WISH)
    assert page in releases.answer(host)
    health = releases.answer(host, "/actuator/health")
    assert '"UP"' in health
    assert "diskSpace" in health, "as only the secret's file tells it"
    container = releases.containers(host)["hello"]["Config"]
    assert container["Entrypoint"] == ["java", "-cp", "/app", launcher]
    assert container["Labels"]["io.jarship.boot-version"] == jar.boot_version


@pytest.mark.thorough
def test_a_project_with_the_pipelines_own_dockerfile_goes_the_whole_road(
    releases: Releases, hello: Application, tmp_path: Path
) -> None:
    root = tmp_path / "own"
    shutil.copytree(hello.root, root)
    sandbox = releases.sandbox
    base = sandbox.environment().get("BASE_IMAGE", "eclipse-temurin:21-jre")
    (root / "app/Dockerfile").write_text(
        f"FROM {base}\nARG JAR_FILE=target/*.jar\nCOPY ${{JAR_FILE}} app.jar\n"
        "ENV SPRING_PROFILES_ACTIVE=\\${PROFILE}\nCMD java -jar app.jar\n"
    )
    (root / "app/.env").write_text(canary("own-dockerfile"))
    host = releases.hosts[0]
    environ = releases.environ(
        APP_NAME="hello",
        APP_SOURCE="app",
        DOCKERFILE="Dockerfile",
        IMAGE=f"{OURS}/own",
        HOSTS=sandbox.hosts_setting((host,)),
        MEMORY="384m",
        HEALTH_TIMEOUT="120",
        RUN_AS="10001",
    )
    process = invoke("deploy", folder=root, environ=environ)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "Dockerfile, line 5: CMD in shell form" in said
    assert "COPY ${JAR_FILE} app.jar" in said
    assert "profile <b>dev</b>" in releases.answer(host)
    container = releases.containers(host)["hello"]["Config"]
    assert container["Labels"]["io.jarship.boot-version"].startswith("3.5.")
    assert json.loads(container["Labels"]["io.jarship.health"])["path"] == "/actuator/health"
    assert "JAVA_TOOL_OPTIONS=-Xmx134m" in container["Env"]
    assert sandbox.run(host, "docker exec hello sh -c 'ls /app.jar; id -u'").split() == ["/app.jar", "10001"]
