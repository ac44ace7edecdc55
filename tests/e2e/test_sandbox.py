"""The sandbox itself: real sshd, engines and registry; remembered, restarted, and gone without a trace."""

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deploy.hosts.connection import connect
from deploy.sandbox import life
from deploy.sandbox.value import Sandbox
from deploy.values import labels
from deploy.values.errors import HostError
from deploy.values.events import Event, Stream
from deploy.values.inventory import Access, Host
from tests.support.images import OURS
from tests.support.sandbox import ROOT, RunningSandbox, bare_settings
from tests.support.tiny import build_tiny

PROGRAM = f"{OURS}/sandbox"


ONE = bare_settings(sandbox_hosts=1)


def up(home: Path, hosts: int = 1, stream: Stream | None = None, **settings: object) -> Sandbox:
    given = bare_settings(sandbox_hosts=hosts, **settings)
    return life.up(given, ROOT, stream=stream or Stream(), home=home)


def down(home: Path) -> None:
    life.down(ROOT, stream=Stream(), home=home)


def traces(client: docker.DockerClient, home: Path) -> list[object]:
    wanted = {"label": f"{labels.SANDBOX_HOME}={home}"}
    found: list[object] = [*client.api.containers(all=True, filters=wanted)]
    found += client.api.networks(filters=wanted)
    return [*found, *(client.api.volumes(filters=wanted)["Volumes"] or [])]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, engine: docker.DockerClient) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("sandbox") / "home"
    yield place
    down(place)
    assert traces(engine, place) == []


@pytest.fixture
def own(home: Path, engine: docker.DockerClient) -> RunningSandbox:
    """A sandbox of one host that the test may do with as it likes: it is brought up again for each."""
    running_ = RunningSandbox(client=engine, sandbox=life.up(ONE, ROOT, stream=Stream(), hosts=1, home=home))
    running_.reset()
    return running_


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient) -> Iterator[str]:
    """The smallest application."""
    build_tiny(engine, version="1", app="sandbox")
    yield PROGRAM + ":1"
    engine.images.remove(f"{PROGRAM}:1", force=True)


def test_every_part_answers_as_a_rollout_needs_it(sandbox: RunningSandbox) -> None:
    for host in sandbox.hosts:
        with sandbox.connect(host) as connection:
            assert connection.user == "deploy"
            assert connection.run(["docker", "version", "--format", "{{.Server.Os}}"]).out == "linux\n"
            assert connection.run("command -v bash flock").code == 0
            assert connection.run("command -v sudo").code == 1
    address, port = sandbox.sandbox.registry.split(":")
    connection_ = http.client.HTTPConnection(address, int(port), timeout=5)
    connection_.request("GET", "/v2/")
    assert connection_.getresponse().status == 200


def test_hosts_pull_from_the_registry_what_this_machine_pushed(sandbox: RunningSandbox, image: str) -> None:
    push(sandbox, image)
    for host in sandbox.hosts:
        assert "Downloaded" in sandbox.run(host, f"docker pull registry:5000/{PROGRAM}:1", user="deploy")
        sandbox.run(host, f"docker rmi registry:5000/{PROGRAM}:1")


def test_a_sandbox_that_is_up_is_found_as_it_is(running_sandbox: RunningSandbox) -> None:
    heard: list[Event] = []
    again = up(running_sandbox.sandbox.home, hosts=2, stream=Stream(heard.append))
    assert again == running_sandbox.sandbox
    assert heard == []
    assert life.find(ROOT, running_sandbox.sandbox.home) == again


def test_no_password_is_asked_for(sandbox: RunningSandbox, tmp_path: Path) -> None:
    told = sandbox.run(sandbox.hosts[0], "sshd -T")
    for line in ("passwordauthentication no", "kbdinteractiveauthentication no", "permitrootlogin no"):
        assert line in told.splitlines()


def test_each_host_has_a_key_of_its_own_and_it_is_pinned(sandbox: RunningSandbox, tmp_path: Path) -> None:
    one, other = sandbox.hosts
    their_key = sandbox.sandbox.known_hosts.read_text().splitlines()[1].split(" ", 1)[1]
    pinned = tmp_path / "known_hosts"
    pinned.write_text(f"[127.0.0.1]:{one.port} {their_key}\n")
    assert other.port != one.port
    with pytest.raises(HostError, match="key"):
        connect(one, Access(key=str(sandbox.sandbox.key), known_hosts=str(pinned)))


def test_a_power_cut_brings_back_what_should_run_and_nothing_else(own: RunningSandbox, image: str) -> None:
    host = own.hosts[0]
    push(own, image)
    for name, policy in (("stays", "unless-stopped"), ("goes", "no")):
        own.run(host, f"docker run -d --name {name} --restart {policy} registry:5000/{PROGRAM}:1")
    before = own.run(host, "docker ps -q --no-trunc --filter name=stays")
    own.run(host, "touch /tmp/jarship-hello.lock")
    own.restart(host)
    again = up(own.sandbox.home)
    assert again == own.sandbox
    assert running(own, host) == ["stays"]
    assert own.run(host, "docker ps -q --no-trunc --filter name=stays") == before
    assert "jarship" not in own.run(host, "ls /tmp")


def test_an_orderly_restart_too(own: RunningSandbox, image: str) -> None:
    host = own.hosts[0]
    push(own, image)
    own.run(host, f"docker run -d --name stays --restart unless-stopped registry:5000/{PROGRAM}:1")
    own.restart(host, timeout=20)
    up(own.sandbox.home)
    assert running(own, host) == ["stays"]


def test_a_killed_engine_comes_back_unless_it_is_held(own: RunningSandbox) -> None:
    host = own.hosts[0]
    own.run(host, "touch /run/hold/dockerd; kill -9 $(cat /run/docker.pid); sleep 2")
    assert "Cannot connect" in own.run(host, "docker version 2>&1", check=False)
    own.run(host, "rm /run/hold/dockerd")
    up(own.sandbox.home)
    assert own.run(host, "docker ps -q") == ""


def test_a_memory_limit_of_a_host_holds_for_what_it_runs(own: RunningSandbox, image: str) -> None:
    host = own.hosts[0]
    container = own.client.containers.get(own.sandbox.container(host.name))
    container.update(mem_limit="900m", memswap_limit="900m")
    push(own, image)
    own.run(host, f"docker run -d --name inside registry:5000/{PROGRAM}:1")
    if own.client.info()["CgroupVersion"] == "1":
        parent = own.run(
            host, "cut -d: -f3 /proc/$(docker inspect -f {{.State.Pid}} inside)/cgroup | sort -u"
        )
        assert f"/{container.id}/" in parent


def test_ports_are_remembered_and_one_that_was_taken_is_chosen_anew(own: RunningSandbox) -> None:
    host = own.hosts[0]
    own.client.containers.get(own.sandbox.container(host.name)).stop(timeout=0)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", host.port))
        taken.listen()
        moved = up(own.sandbox.home)
    assert moved.registry == own.sandbox.registry
    assert moved.hosts[0].port != host.port
    RunningSandbox(client=own.client, sandbox=moved).connect(moved.hosts[0]).close()
    assert up(own.sandbox.home) == moved


def test_it_grows_and_shrinks(own: RunningSandbox) -> None:
    home, client = own.sandbox.home, own.client
    first = own.client.containers.get(own.sandbox.container("host-1")).id
    grown = life.up(ONE, ROOT, stream=Stream(), hosts=2, home=home)
    assert [host.name for host in grown.hosts] == ["host-1", "host-2"]
    assert up(home, hosts=1) == grown, "a number asked for holds while the setting stays the same"
    shrunk = life.up(ONE, ROOT, stream=Stream(), hosts=1, home=home)
    assert shrunk == own.sandbox
    assert client.containers.get(own.sandbox.container("host-1")).id == first
    left = client.api.volumes(filters={"label": f"{labels.SANDBOX_HOME}={home}"})["Volumes"]
    assert sorted(volume["Name"] for volume in left) == [
        own.sandbox.container(name) for name in ("host-1", "registry")
    ]


def test_status_tells_every_part(own: RunningSandbox) -> None:
    home = own.sandbox.home
    own.client.containers.get(own.sandbox.container("host-1")).stop(timeout=0)
    rows = life.status(ROOT, stream=Stream(), home=home)
    assert [(row["name"], row["state"]) for row in rows] == [("registry", "running"), ("host-1", "exited")]
    assert rows[1]["url"] == own.hosts[0].url
    assert rows[0]["url"] == f"http://{own.sandbox.registry}"


def test_a_sandbox_whose_state_is_lost_is_replaced(own: RunningSandbox, engine: docker.DockerClient) -> None:
    home = own.sandbox.home
    (home / "state.json").unlink()
    again = up(home)
    assert again.id != own.sandbox.id
    assert engine.api.containers(all=True, filters={"label": f"{labels.SANDBOX}={own.sandbox.id}"}) == []


def test_down_leaves_no_trace_and_may_be_said_twice(own: RunningSandbox, image: str) -> None:
    home = own.sandbox.home
    pushed = f"{own.sandbox.registry}/{PROGRAM}"
    own.client.images.get(image).tag(pushed, "1")
    assert traces(own.client, home)
    down(home)
    assert traces(own.client, home) == []
    assert own.client.images.list(pushed) == []
    assert not home.exists()
    assert life.find(ROOT, home) is None
    assert life.status(ROOT, stream=Stream(), home=home) == []
    down(home)


def push(running_: RunningSandbox, image: str) -> None:
    """Push an image to a sandbox's registry, as PROGRAM."""
    name = f"{running_.sandbox.registry}/{PROGRAM}"
    running_.client.images.get(image).tag(name, "1")
    try:
        assert "error" not in running_.client.images.push(name, "1")
    finally:
        running_.client.images.remove(f"{name}:1")


def running(running_: RunningSandbox, host: Host) -> list[str]:
    """Names of the containers that run on a host."""
    return running_.run(host, "docker ps --format '{{.Names}}'").split()
