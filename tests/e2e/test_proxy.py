"""The proxy changes nothing of what passes through it, and follows its application wherever that goes."""

import socket
import time
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.support.rollouts import Releases


@pytest.fixture
def served(releases: Releases) -> Releases:
    """One host that serves."""
    releases.deploy(releases.build("1"), only=(releases.hosts[0],), app_env={"SERVES": "1"})
    return releases


def ask(releases: Releases, path: str, **request: object) -> str:
    return releases.answer(releases.hosts[0], path, **request)


def raw(releases: Releases, request: bytes, *, until: bytes, seconds: float = 10) -> bytes:
    """Send bytes to APP_PORT and read until something fits."""
    place = urlsplit(releases.hosts[0].url)
    assert place.hostname
    assert place.port
    with socket.create_connection((place.hostname, place.port), timeout=seconds) as connection:
        connection.sendall(request)
        got = b""
        while until not in got and (part := connection.recv(65536)):
            got += part
    return got


def test_a_body_of_any_size_arrives(served: Releases) -> None:
    body = b"x" * 5_000_000
    assert "5000000" in ask(served, "/echo", data=body, method="POST")


def test_the_application_sees_the_host_and_the_client(served: Releases) -> None:
    place = urlsplit(served.hosts[0].url).netloc
    said = ask(served, "/echo", headers={"X-Forwarded-For": "192.0.2.7"}).lower()
    assert f"host: {place}" in said
    assert "x-forwarded-for: 192.0.2.7, " in said
    assert "x-forwarded-proto: http" in said
    assert f"x-forwarded-host: {place}" in said
    assert "x-real-ip: " in said


def test_what_a_balancer_said_of_the_scheme_stays_true(served: Releases) -> None:
    assert "x-forwarded-proto: https" in ask(served, "/echo", headers={"X-Forwarded-Proto": "https"}).lower()


def test_large_headers_and_any_path_arrive_as_they_were_sent(served: Releases) -> None:
    said = ask(served, "/echo?a=%2F&b=%20c//d", headers={"X-Large": "y" * 15_000})
    assert "a=%2F&b=%20c//d" in said
    assert "y" * 15_000 in said


def test_a_connection_is_upgraded(served: Releases) -> None:
    request = b"GET / HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nping"
    assert raw(served, request, until=b"ping").startswith(b"HTTP/1.1 101")


def test_an_answer_comes_as_it_is_written(served: Releases) -> None:
    begun = time.monotonic()
    got = raw(served, b"GET /endless HTTP/1.1\r\nHost: app\r\n\r\n", until=b"\r\n\r\n", seconds=5)
    assert got.startswith(b"HTTP/1.1 200")
    assert time.monotonic() - begun < 30, "it was held back until the application had ended"


def test_a_request_is_never_sent_twice(served: Releases) -> None:
    """The application dies while it works on a request: that is an error, not a second try."""
    host = served.hosts[0]
    place = urlsplit(host.url)
    assert place.hostname
    assert place.port
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall(b"POST /slow?15 HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.5)
        served.sandbox.run(host, "docker kill tiny")
        assert b" 502 " in connection.recv(65536)


def test_no_answer_of_the_application_is_replaced(served: Releases) -> None:
    host = served.hosts[0]
    served.deploy(served.build("1"), only=(host,), app_env={"HEALTH": "418"}, health_path="/")
    assert served.answer(host, "/health") == "418"


def test_it_follows_a_container_that_comes_back_at_another_address(served: Releases) -> None:
    host = served.hosts[0]
    before = served.containers(host)["tiny"]["NetworkSettings"]["Networks"]["tiny-network"]["IPAddress"]
    # Somebody else takes the address while the application is down.
    image = served.containers(host)["tiny"]["Image"]
    served.sandbox.run(
        host,
        f"docker stop tiny; docker run -d --name other --network tiny-network {image}; docker start tiny",
    )
    after = served.containers(host)["tiny"]["NetworkSettings"]["Networks"]["tiny-network"]["IPAddress"]
    assert before != after
    deadline = time.monotonic() + 10
    while "SERVES=1" not in (said := ask(served, "/env")) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "SERVES=1" in said


@pytest.mark.fault(32)
def test_a_broken_configuration_is_seen_before_it_is_used(served: Releases) -> None:
    from deploy.values.errors import RolledBack

    host = served.hosts[0]
    script = 'printf "#!/bin/sh\\necho garbage >&2; exit 1" > $n; chmod +x $n'
    program = f"n=$(command -v nginx); mv $n $n.real; {script}"
    served.sandbox.run(host, f"docker exec tiny-proxy sh -c '{program}'")
    with pytest.raises(RolledBack) as raised:
        served.deploy(served.build("2"), only=(host,))
    assert "nginx -t" in raised.value.why
    assert "garbage" in raised.value.why
    assert served.version(host) == "1"


def test_a_configuration_that_somebody_changed_is_put_right(served: Releases) -> None:
    host = served.hosts[0]
    served.sandbox.run(host, "docker exec tiny-proxy sh -c 'echo garbage >> /etc/nginx/nginx.conf'")
    served.deploy(served.build("2"), only=(host,))
    assert served.version(host) == "2"


@pytest.mark.thorough
def test_the_application_answers_again_after_a_power_cut(served: Releases) -> None:
    host = served.hosts[0]
    served.deploy(served.build("2"), only=(host,))
    served.sandbox.restart(host)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urlopen(Request(host.url), timeout=5) as response:  # the sandbox's own
                assert b"version=2" in response.read()
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail("it did not come back within a minute")
