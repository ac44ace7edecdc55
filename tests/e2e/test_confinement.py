"""The example application in its container on a host: what it may not do, and that it serves all the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from deploy.artifact.image import build_image
from deploy.artifact.push import push
from deploy.values.build import Build
from deploy.values.events import Stream
from tests.support.applications import Application
from tests.support.images import remove_images
from tests.support.rollouts import Releases
from tests.support.sandbox import ROOT, RunningSandbox

MIB = 2**20
APP = "hello"
WISH: dict[str, Any] = {"app_name": APP, "memory": 384 * MIB, "health_timeout": 120, "stop_timeout": 30}
FORKS = "for i in $(seq 300); do sleep 20 & done; wait"


@pytest.fixture(scope="module")
def build(
    engine: docker.DockerClient,
    running_sandbox: RunningSandbox,
    hello: Application,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Build]:
    """The example application's build, pushed."""
    root: Path = tmp_path_factory.mktemp("pushing")
    releases = Releases(sandbox=running_sandbox, engine=engine, root=root)
    settings = releases.settings(**WISH)
    jar = hello.build.jar.model_copy(update={"path": str(hello.jar)})
    made = build_image(hello.build.model_copy(update={"jar": jar}), settings, ROOT, engine, Stream())
    yield push(made.model_copy(update={"tag": "1.0.0-e2e"}), settings, engine, Stream())
    remove_images(engine, f"jarship-build/{APP}")


def inside(releases: Releases, script: str) -> str:
    """Run a script in the application's container; what it said on both streams."""
    return releases.sandbox.run(
        releases.hosts[0], f"docker exec {APP} sh -c '{script}' 2>&1", check=False
    ).strip()


def deploy(releases: Releases, build: Build, **changes: Any) -> None:
    releases.deploy(build, only=releases.hosts[:1], **{**WISH, **changes})


@pytest.mark.security(16)
@pytest.mark.security(18)
def test_by_default_it_gains_no_rights_and_cannot_take_the_host_down(
    releases: Releases, build: Build
) -> None:
    deploy(releases, build, pids_limit=120)
    status = inside(releases, "cat /proc/1/status")
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert set(re.findall(r"^Cap(?:Eff|Prm|Inh|Bnd|Amb):\s+(\w+)$", status, re.MULTILINE)) == {"0" * 16}
    assert inside(releases, "id -u") == "10001"
    mounted = inside(releases, 'grep " /tmp " /proc/mounts')
    assert "tmpfs" in mounted
    assert "noexec" not in mounted
    assert "No space left" in inside(releases, "head -c 70m /dev/zero > /tmp/x; rm /tmp/x")
    said = inside(releases, FORKS)
    assert "fork" in said or "Resource temporarily unavailable" in said
    assert releases.answer(releases.hosts[0], "/actuator/health")
    container = releases.containers(releases.hosts[0])[APP]["HostConfig"]
    assert not container["Privileged"]
    assert container["PidsLimit"] == 120


@pytest.mark.security(17)
def test_with_a_read_only_root_it_serves_and_writes_tmp_alone(releases: Releases, build: Build) -> None:
    deploy(releases, build, read_only=True)
    assert "Read-only file system" in inside(releases, "touch /x")
    assert "Read-only file system" in inside(releases, "touch /home/app/x")
    assert inside(releases, "touch /tmp/x && echo written") == "written"
    assert releases.answer(releases.hosts[0], "/actuator/health")
    assert "Hello" in releases.answer(releases.hosts[0])
