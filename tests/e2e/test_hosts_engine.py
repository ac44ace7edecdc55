"""The Docker SDK on a real host's engine, through sshd: what a rollout calls, and what goes wrong."""

import io
import tarfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.errors import APIError, NotFound

from deploy.hosts import engine as engine_calls
from deploy.hosts.connection import Connection
from deploy.hosts.engine import EngineSilent, through
from deploy.hosts.lock import Owner, hold
from deploy.hosts.probe import gather
from deploy.values import labels
from deploy.values.errors import HostError
from deploy.values.facts import HostFacts
from deploy.values.inventory import Host
from deploy.values.mounts import Mount
from tests.support.sandbox import RunningSandbox
from tests.support.sshd import sshd_option

IMAGE = "jarship-test/tools"
USER = {"username": "user", "password": "password"}
OWNER = Owner(who="anne", where="desk", release="1.0", since="2026-01-01T10:00:00Z")

# An image of the host's own shell and a few commands.
MAKE_IMAGE = f"""
docker image inspect {IMAGE} > /dev/null 2>&1 && exit
tools='/bin/sh /bin/cat /bin/sleep /bin/head /bin/echo'
tar -chf - $tools $(ldd $tools | grep -o '/[^ :]* ' | sort -u) | docker import - {IMAGE} > /dev/null
"""
LOOP = (
    "trap 'exit 3' TERM; echo out; echo err >&2; i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.1; done"
)


@pytest.fixture(scope="module")
def host(running_sandbox: RunningSandbox) -> Iterator[Host]:
    host = running_sandbox.hosts[0]
    running_sandbox.run(host, MAKE_IMAGE)
    yield host
    running_sandbox.reset()


@pytest.fixture(scope="module")
def connection(running_sandbox: RunningSandbox, host: Host) -> Iterator[Connection]:
    with running_sandbox.connect(host) as connection:
        yield connection


@pytest.fixture(scope="module")
def client(connection: Connection) -> Iterator[docker.DockerClient]:
    client = through(connection)
    yield client
    client.close()


@pytest.fixture(scope="class")
def container(client: docker.DockerClient) -> Iterator[Any]:
    made: Any = client.containers.run(IMAGE, ["sh", "-c", LOOP], name="loop", detach=True)
    yield made
    made.remove(force=True)


class TestCalls:
    def test_output_of_a_command_with_its_exit_code(self, container: Any) -> None:
        for number in range(10):
            done = container.exec_run(["sh", "-c", f"echo {number}; echo no >&2; exit 4"], demux=True)
            assert (done.exit_code, done.output) == (4, (f"{number}\n".encode(), b"no\n"))

    def test_much_output_of_a_command(self, container: Any) -> None:
        assert len(container.exec_run(["head", "-c", "5000000", "/dev/zero"]).output) == 5000000

    def test_output_of_a_command_as_it_comes(self, container: Any) -> None:
        script = "echo 1; sleep 0.2; echo 2"
        assert list(container.exec_run(["sh", "-c", script], stream=True).output) == [b"1\n", b"2\n"]

    def test_a_command_at_a_terminal(self, container: Any) -> None:
        assert container.exec_run(["echo", "hello"], tty=True).output == b"hello\r\n"

    def test_files_in_and_out(self, container: Any) -> None:
        content = b"x" * 3_000_000
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            entry = tarfile.TarInfo("f")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        assert container.put_archive("/", packed.getvalue())

        stream, told = container.get_archive("/f")
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            out = tar.extractfile("f")
            assert out is not None
            assert out.read() == content
        assert told["size"] == len(content)

    def test_logs_of_either_side(self, container: Any) -> None:
        assert container.logs(stdout=False) == b"err\n"
        assert container.logs().startswith((b"out\n", b"err\n"))
        assert container.logs(tail=1).startswith(b"tick")

    def test_logs_as_they_come(self, container: Any) -> None:
        for _ in range(4):
            stream = container.logs(stream=True, follow=True, tail=1)
            assert [next(stream)[:4] for _ in range(3)] == [b"tick"] * 3
            stream.close()

    def test_processes(self, container: Any) -> None:
        assert any("tick" in process[-1] for process in container.top()["Processes"])

    def test_events(self, client: docker.DockerClient, container: Any) -> None:
        seen: list[str] = []
        events: Any = client.events(decode=True, filters={"container": container.id, "event": "rename"})
        reader = threading.Thread(
            target=lambda: seen.extend(event["Action"] for event in events), daemon=True
        )
        reader.start()
        time.sleep(0.2)
        container.rename("loop2")
        container.rename("loop")
        deadline = time.monotonic() + 5
        while len(seen) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        events.close()
        reader.join(5)

        assert seen == ["rename", "rename"]
        assert not reader.is_alive()

    def test_what_the_engine_refuses_is_its_own_error(self, client: docker.DockerClient) -> None:
        with pytest.raises(NotFound):
            client.containers.get("nowhere")
        api: Any = client.api
        with pytest.raises(APIError, match="nowhere"):
            list(api.pull("registry:5000/nowhere", tag="1", stream=True, decode=True, auth_config=USER))

    def test_a_pull_with_its_events(
        self, running_sandbox: RunningSandbox, client: docker.DockerClient, host: Host
    ) -> None:
        name = "registry:5000/tools"
        running_sandbox.run(
            host, f"docker tag {IMAGE} {name}:1 && docker push -q {name}:1 && docker rmi {name}:1"
        )
        api: Any = client.api
        events = list(api.pull(name, tag="1", stream=True, decode=True))

        assert any("Digest: sha256:" in event.get("status", "") for event in events)
        client.images.remove(f"{name}:1")

    def test_stop_wait_and_start(self, container: Any) -> None:
        container.stop(timeout=5)
        assert container.wait()["StatusCode"] == 3
        container.start()

    def test_many_threads_share_two_channels(
        self, running_sandbox: RunningSandbox, client: docker.DockerClient, host: Host
    ) -> None:
        threads = [threading.Thread(target=client.ping) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert dialled(running_sandbox, host) <= 2


def dialled(sandbox: RunningSandbox, host: Host) -> int:
    return int(sandbox.run(host, "pgrep -fc '^docker system dial-stdi[o]' || true"))


def test_closing_leaves_nothing_running_there(running_sandbox: RunningSandbox, host: Host) -> None:
    before = dialled(running_sandbox, host)
    with running_sandbox.connect(host) as connection:
        client = through(connection)
        assert dialled(running_sandbox, host) == before + 1
        client.close()
    deadline = time.monotonic() + 5
    while dialled(running_sandbox, host) > before and time.monotonic() < deadline:
        time.sleep(0.1)

    assert dialled(running_sandbox, host) == before


class TestFaults:
    """Each puts back what it changed."""

    @pytest.mark.fault(5)
    def test_a_user_outside_the_docker_group(self, running_sandbox: RunningSandbox, host: Host) -> None:
        running_sandbox.run(host, "gpasswd -d deploy docker")
        try:
            with running_sandbox.connect(host) as connection, pytest.raises(HostError) as caught:
                through(connection)
        finally:
            running_sandbox.run(host, "gpasswd -a deploy docker")

        assert caught.value.exit_code == 5
        assert caught.value.host == host.name
        assert "permission denied" in caught.value.why
        assert "sudo usermod -aG docker deploy" in caught.value.advice

    @pytest.mark.thorough
    @pytest.mark.fault(6)
    def test_a_dead_engine(self, running_sandbox: RunningSandbox, host: Host) -> None:
        running_sandbox.run(host, "touch /run/hold/dockerd; pkill -9 -x dockerd; sleep 0.2")
        try:
            with running_sandbox.connect(host) as connection, pytest.raises(HostError) as caught:
                through(connection)
        finally:
            running_sandbox.reset()

        assert caught.value.what == f"Docker is not running on {host.name}."
        assert caught.value.exit_code == 5

    @pytest.mark.thorough
    @pytest.mark.fault(42)
    def test_an_engine_that_starts_again_is_found_again(
        self, running_sandbox: RunningSandbox, host: Host
    ) -> None:
        with running_sandbox.connect(host) as connection:
            client = through(connection)
            client.ping()
            running_sandbox.run(host, "touch /run/hold/dockerd; pkill -x dockerd; sleep 1")
            with pytest.raises(HostError):
                client.ping()
            running_sandbox.reset()
            client.ping()

    @pytest.mark.thorough
    @pytest.mark.fault(14)
    def test_a_registry_that_hangs_is_not_waited_for_for_ever(
        self,
        running_sandbox: RunningSandbox,
        client: docker.DockerClient,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(engine_calls, "PULL_SILENCE", 2)
        registry = running_sandbox.client.containers.get(running_sandbox.sandbox.container("registry"))
        api: Any = client.api
        registry.pause()
        try:
            with pytest.raises(EngineSilent):
                list(api.pull("registry:5000/nowhere", tag="1", stream=True, decode=True))
        finally:
            registry.unpause()

    @pytest.mark.fault(9)
    @pytest.mark.parametrize("sessions", [1, 2])
    def test_too_few_sessions(self, running_sandbox: RunningSandbox, host: Host, sessions: int) -> None:
        with (
            sshd_option(running_sandbox, host, f"MaxSessions {sessions}"),
            running_sandbox.connect(host) as connection,
            pytest.raises(HostError) as caught,
        ):
            look_at(connection)

        assert "MaxSessions" in caught.value.why
        assert "MaxSessions 3" in caught.value.advice
        assert caught.value.exit_code == 5

    @pytest.mark.fault(9)
    def test_three_sessions_are_enough(self, running_sandbox: RunningSandbox, host: Host) -> None:
        with (
            sshd_option(running_sandbox, host, "MaxSessions 3"),
            running_sandbox.connect(host) as connection,
        ):
            for _ in range(10):
                look_at(connection)


def look_at(connection: Connection) -> HostFacts:
    """What a rollout does before it changes anything."""
    with hold(connection, "hello", OWNER):
        client = through(connection)
        try:
            return gather(connection, client, app_name="hello")
        finally:
            client.close()


class TestFacts:
    def test_a_host_tells_about_itself(
        self, running_sandbox: RunningSandbox, connection: Connection, client: docker.DockerClient, host: Host
    ) -> None:
        running_sandbox.run(host, "install -d -o 10001 -g 10001 /srv/log && install -d /srv/closed")
        running_sandbox.run(host, "touch /srv/log/app.log && chown 0 /srv/log/app.log")
        containers: Any = client.containers
        made = containers.create(
            IMAGE,
            ["sleep", "60"],
            name="hello-20260101",
            labels={labels.APP: "hello", labels.ROLE: "app"},
            restart_policy={"Name": "unless-stopped"},
            mem_limit="64m",
        )
        made.start()
        facts = gather(
            connection,
            client,
            app_name="hello",
            mounts=[
                Mount(source="/srv/log", target="/logs"),
                Mount(source="/srv/closed", target="/closed"),
                Mount(source="/srv/none", target="/none"),
            ],
            log_file="/logs/app.log",
            uid=10001,
            gid=10001,
        )
        made.remove(force=True)

        assert facts.host == host
        assert facts.platform == f"linux/{facts.architecture}"
        assert facts.architecture in {"amd64", "arm64"}
        assert facts.engine_version
        assert facts.user == "deploy"
        assert "docker" in facts.groups
        assert facts.home == "/home/deploy"
        assert 22 in facts.listening
        assert facts.memory_total >= facts.memory_available > 64 << 20
        assert facts.disk_free > 0
        assert abs(facts.clock_offset) < 2
        assert facts.mounts["/srv/log"].writable_by(10001, 10001) is True
        assert facts.mounts["/srv/log"].unwritable == ("/srv/log/app.log",)
        assert facts.mounts["/srv/closed"].writable_by(10001, 10001) is False
        assert facts.mounts["/srv/none"].answer == "missing"
        assert facts.log is not None
        assert facts.log.writable_by(10001, 10001) is False
        (mine,) = facts.of_app("hello")
        assert (mine.name, mine.state, mine.restart_policy) == ("hello-20260101", "running", "unless-stopped")
        assert mine.addresses["bridge"]

    def test_a_memory_limit_of_the_host_counts(
        self,
        running_sandbox: RunningSandbox,
        connection: Connection,
        client: docker.DockerClient,
        host: Host,
    ) -> None:
        outer = running_sandbox.client.containers.get(running_sandbox.sandbox.container(host.name))
        outer.update(mem_limit="1g", memswap_limit="1g")
        try:
            facts = gather(connection, client, app_name="hello")
        finally:
            # The engine takes no "unlimited" in an update; more than the machine has is the same.
            outer.update(mem_limit=1 << 45, memswap_limit=1 << 45)

        assert facts.memory_total == 1 << 30
        assert facts.memory_available < 1 << 30

    def test_flock_is_needed(
        self,
        running_sandbox: RunningSandbox,
        connection: Connection,
        client: docker.DockerClient,
        host: Host,
    ) -> None:
        running_sandbox.run(host, "mv /usr/bin/flock /usr/bin/flock.kept")
        try:
            with pytest.raises(HostError, match="flock is missing") as caught:
                gather(connection, client, app_name="hello")
            with pytest.raises(HostError, match="flock is missing"):
                hold(connection, "hello", OWNER)
        finally:
            running_sandbox.run(host, "mv /usr/bin/flock.kept /usr/bin/flock")

        assert "apt-get install util-linux" in caught.value.advice
