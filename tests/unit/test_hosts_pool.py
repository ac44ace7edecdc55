"""The engine's channels are few, used again, and never lost; their failures are told in plain words."""

import gc
import json
import threading
import time
from typing import Any, cast

import docker
import pytest

from deploy.hosts import pool
from deploy.hosts.connection import Connection
from deploy.hosts.engine import PULL_SILENCE, EngineSilent, through, unusable
from deploy.values.errors import HostError
from deploy.values.inventory import Host


class FakeChannel:
    """`docker system dial-stdio` before an engine that knows a few answers."""

    def __init__(self, engine: "FakeHost") -> None:
        self.engine = engine
        self.closed = False
        self.eof_received = engine.stderr != ""
        self.exit_status = engine.code
        self.status_event = threading.Event()
        self.status_event.set()
        self._out = b""

    def sendall(self, data: bytes) -> None:
        if self.closed or self.eof_received:
            raise OSError("Socket is closed")
        if data.startswith((b"GET", b"POST")):  # else it is the body
            self._out += self.engine.answer(data.split(b" ", 2)[1].decode())

    def recv(self, size: int) -> bytes:
        if self.engine.hangs:
            raise TimeoutError
        data, self._out = self._out[:size], self._out[size:]
        return data

    def recv_stderr(self, size: int) -> bytes:
        text, self.engine.stderr = self.engine.stderr.encode(), ""
        return text

    def recv_ready(self) -> bool:
        return bool(self._out)

    def settimeout(self, seconds: float | None) -> None:
        self.engine.timeouts.append(seconds)

    def gettimeout(self) -> float | None:
        return None

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.engine.open -= 1


class FakeHost:
    """Stands in for a connection."""

    def __init__(self, stderr: str = "", code: int = 0) -> None:
        self.host = Host(name="web1", address="192.0.2.1")
        self.user = "deploy"
        self.stderr, self.code = stderr, code
        self.open = self.opened = self.most = 0
        self.channels: list[FakeChannel] = []
        self.up = True
        self.hangs = False
        self.timeouts: list[float | None] = []

    def open_session(self, command: str) -> FakeChannel:
        assert command == "docker system dial-stdio"
        self.opened += 1
        self.open += 1
        self.most = max(self.most, self.open)
        self.channels.append(FakeChannel(self))
        return self.channels[-1]

    def alive(self) -> bool:
        return self.up

    def broken(self, cause: object = "") -> HostError:
        return HostError("The SSH connection broke.", host="web1")

    @staticmethod
    def answer(path: str) -> bytes:
        if path.endswith("/exec/x/start"):
            frames = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x03err"
            head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
            return head + frames  # In one piece, as it may arrive.
        if "/logs" in path:
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n\x01\0\0\0\0\0\0\x01x\r\n"
        body = json.dumps({"ApiVersion": "1.41", "Config": {"Tty": False}}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def client_of(host: FakeHost) -> docker.DockerClient:
    return through(cast(Connection, host))


def test_calls_use_one_channel_again() -> None:
    host = FakeHost()
    client = client_of(host)
    for _ in range(5):
        client.api.version()

    assert host.opened == 1


def test_the_version_is_asked_for_once_and_used() -> None:
    assert client_of(FakeHost()).api.api_version == "1.41"


def test_closing_the_client_closes_its_channels() -> None:
    host = FakeHost()
    client_of(host).close()

    assert host.open == 0


def test_an_idle_channel_that_the_engine_closed_is_replaced() -> None:
    host = FakeHost()
    client = client_of(host)
    host.channels[0].eof_received = True
    client.api.version()

    assert (host.opened, host.open) == (2, 1)


def test_output_that_came_with_the_headers_is_not_lost() -> None:
    api: Any = client_of(FakeHost()).api

    assert api.exec_start("x") == b"outerr"
    assert api.exec_start("x", demux=True) == (b"out", b"err")
    assert list(api.exec_start("x", stream=True)) == [b"out", b"err"]


def test_a_channel_that_an_exec_used_up_is_replaced_before_it_is_needed() -> None:
    host = FakeHost()
    api: Any = client_of(host).api
    api.exec_start("x")
    deadline = time.monotonic() + 5
    while host.opened < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    api.version()

    assert (host.opened, host.open) == (2, 1)


def test_there_are_never_more_than_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAIT", 0.1)
    host = FakeHost()
    api: Any = client_of(host).api
    streams = [api.get(api._url("/containers/x/logs"), stream=True) for _ in range(2)]

    with pytest.raises(HostError, match="busy"):
        api.version()
    assert host.most == 2
    streams.pop().close()
    api.version()
    assert host.most == 2


def test_a_session_of_another_kind_has_the_place_of_a_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAIT", 0.1)
    host = FakeHost()
    api: Any = client_of(host).api
    busy = api.get(api._url("/containers/x/logs"), stream=True)
    api.version()
    assert host.open == 2
    with api.aside():
        assert host.open == 1
        with pytest.raises(HostError, match="busy"):
            api.version()
    api.version()
    busy.close()
    with api.aside():
        api.version()
        assert host.open == 1
    assert host.most == 2


def test_a_stream_that_its_reader_dropped_gives_its_channel_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAIT", 1)
    host = FakeHost()
    api: Any = client_of(host).api
    for _ in range(6):
        stream = api.logs("x", stream=True, follow=True)
        assert next(iter(stream)) == b"x"
        del stream
        gc.collect()

    assert host.most <= 2


def test_a_stream_that_was_closed_gives_its_channel_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAIT", 1)
    host = FakeHost()
    api: Any = client_of(host).api
    kept = []
    for _ in range(6):
        stream = api.logs("x", stream=True, follow=True)
        next(iter(stream))
        stream.close()
        kept.append(stream)

    assert host.most <= 2


DENIED = (
    "failed to open the raw stream connection: dial unix /var/run/docker.sock: connect: permission denied"
)
NO_FILE = "dial unix /run/docker.sock: connect: no such file or directory"
DEAD = f"failed to open the raw stream connection: {NO_FILE}"
REFUSED = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.mark.parametrize(
    ("stderr", "code", "what", "advice"),
    [
        pytest.param(
            DENIED,
            1,
            "deploy may not use Docker",
            "sudo usermod -aG docker deploy",
            marks=pytest.mark.fault(5),
        ),
        pytest.param(DEAD, 1, "Docker is not running on web1", "start docker", marks=pytest.mark.fault(6)),
        pytest.param(REFUSED, 1, "Docker is not running on web1", "start docker", marks=pytest.mark.fault(6)),
        pytest.param("", 0, "Docker is not running on web1", "start docker", marks=pytest.mark.fault(6)),
        ("bash: line 1: docker: command not found", 127, "Docker is not installed on web1", "Install"),
        ("sh: 1: docker: not found", 127, "Docker is not installed on web1", "Install"),
        ("docker: 'system dial-stdio' is not a docker command.", 1, "too old", "Upgrade"),
    ],
)
def test_an_engine_that_cannot_be_used_is_told(stderr: str, code: int, what: str, advice: str) -> None:
    host = FakeHost(stderr=stderr or "\n", code=code)

    with pytest.raises(HostError) as caught:
        client_of(host)

    assert what in caught.value.what
    assert advice in caught.value.advice
    assert caught.value.host == "web1"
    assert host.opened == 1
    assert host.open == 0


def test_a_link_that_broke_is_not_blamed_on_docker() -> None:
    host = FakeHost()
    host.up = False

    assert "SSH connection" in unusable(cast(Connection, host), -1, "").what


def test_an_engine_that_hangs_up_within_an_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    client = client_of(host)
    monkeypatch.setattr(host, "answer", lambda path: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

    with pytest.raises(HostError, match="closed the connection"):
        client.api.version()


@pytest.mark.fault(14)
def test_a_pull_that_makes_no_progress_comes_to_an_end() -> None:
    host = FakeHost()
    api: Any = client_of(host).api
    host.hangs = True

    with pytest.raises(EngineSilent, match="did not answer in time"):
        list(api.pull("x", tag="y", stream=True, decode=True))
    assert host.timeouts[-1] == PULL_SILENCE


def test_an_engine_that_hangs_up_within_a_stream_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    api: Any = client_of(host).api
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    monkeypatch.setattr(host, "answer", lambda path: head + b'e\r\n{"status": 1}\n\r\n50\r\n{')

    with pytest.raises(HostError, match="closed the connection"):
        list(api.pull("x", tag="y", stream=True, decode=True))
