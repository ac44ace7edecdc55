"""The example application in its container on a host: what it may and gets, and that it ends when told."""

import re
from typing import Any

import docker
import pytest

from deploy.values.build import Build
from tests.support.applications import Application
from tests.support.java_builds import WISH, push_application
from tests.support.rollouts import Releases
from tests.support.sandbox import RunningSandbox

APP = "hello"
FORKS = "for i in $(seq 300); do sleep 20 & done; wait"


@pytest.fixture(scope="module")
def build(
    engine: docker.DockerClient,
    running_sandbox: RunningSandbox,
    hello: Application,
    tmp_path_factory: pytest.TempPathFactory,
) -> Build:
    """The example application's build, pushed."""
    root = tmp_path_factory.mktemp("pushing")
    return push_application(Releases(sandbox=running_sandbox, engine=engine, root=root), hello)


def inside(releases: Releases, script: str) -> str:
    """Run a script in the application's container; what it said on both streams."""
    return releases.sandbox.run(
        releases.hosts[0], f"docker exec {APP} sh -c '{script}' 2>&1", check=False
    ).strip()


def deploy(releases: Releases, build: Build, **changes: Any) -> None:
    releases.deploy(build, only=releases.hosts[:1], **{**WISH, **changes})


@pytest.mark.thorough
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


@pytest.mark.security(18)
def test_java_gets_the_heap_that_was_told_and_ends_well_inside_its_stop_timeout(
    releases: Releases, build: Build
) -> None:
    deploy(releases, build)
    said = inside(releases, "java -XX:+PrintFlagsFinal -version")
    heap = re.search(r"\bMaxHeapSize\s*=\s*(\d+)", said)
    assert heap is not None
    assert int(heap[1]) == 134 * 2**20
    code = releases.sandbox.run(releases.hosts[0], f"docker stop {APP} > /dev/null; docker wait {APP}")
    assert code.strip() == "143"
    state = releases.containers(releases.hosts[0])[APP]["State"]
    assert state["ExitCode"] == 143, "Java got SIGTERM, and nobody had to kill it after STOP_TIMEOUT"


@pytest.mark.thorough
@pytest.mark.security(17)
def test_with_a_read_only_root_it_serves_and_writes_tmp_alone(releases: Releases, build: Build) -> None:
    deploy(releases, build, read_only=True)
    assert "Read-only file system" in inside(releases, "touch /x")
    assert "Read-only file system" in inside(releases, "touch /home/app/x")
    assert inside(releases, "touch /tmp/x && echo written") == "written"
    assert releases.answer(releases.hosts[0], "/actuator/health")
    assert "Hello" in releases.answer(releases.hosts[0])
