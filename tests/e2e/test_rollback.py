"""Going back: to what ran before, as it ran, with and without a registry."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from deploy.rollout.look import releases as list_releases
from deploy.values.errors import HostError, InputError, RolledBack
from deploy.values.events import Stream
from deploy.values.inventory import Host
from deploy.values.mounts import Mount
from deploy.values.result import Result
from tests.support.rollouts import APP, Releases


def go_back(releases: Releases, to: str = "", *, current_settings: bool = False, **changes: Any) -> Result:
    """As the task `rollback` does."""
    return releases.roll_back(to, current_settings=current_settings, **changes)


def listed(releases: Releases, host: Host) -> list[tuple[str, str]]:
    """What a host could go back to: release and where from."""
    inventory = releases.settings(only=(host,)).inventory()
    rows = list_releases(APP, "dev", inventory, Stream())
    return [(str(row["release"]), str(row["from"])) for row in rows]


def environment(releases: Releases, host: Host) -> dict[str, str]:
    """What the application was started with."""
    return dict(line.partition("=")[::2] for line in releases.answer(host, "/env").splitlines())


@contextmanager
def registry_down(releases: Releases) -> Iterator[None]:
    """The registry is not there."""
    container = releases.engine.containers.get(releases.sandbox.sandbox.container("registry"))
    container.stop(timeout=0)
    try:
        yield
    finally:
        container.start()
        address, port = releases.sandbox.sandbox.registry.split(":")
        for _ in range(100):
            with suppress(OSError), socket.create_connection((address, int(port)), 1) as probe:
                probe.settimeout(1)
                probe.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
                if b" 200 " in probe.recv(100):
                    break
            time.sleep(0.1)


@pytest.mark.fault(44)
def test_twice_in_a_row_goes_back_and_forth_as_it_ran_and_without_a_registry(releases: Releases) -> None:
    def given(version: str) -> dict[str, Any]:
        return {"app_env": {"GREETING": version}, "memory": (40 + int(version)) * 2**20, "keep_releases": 2}

    releases.deploy(releases.build("1"), **given("1"))
    with pytest.raises(HostError, match="no earlier release"):
        go_back(releases)
    with pytest.raises(InputError, match="No release 'unheard-of'"):
        go_back(releases, "unheard-of")
    assert not go_back(releases, "1").changed
    for version in ("2", "3"):
        releases.deploy(releases.build(version), **given(version))
    host = releases.hosts[0]
    assert listed(releases, host) == [("3", "serves"), ("2", "container"), ("1", "container")]
    for each in releases.hosts:
        releases.sandbox.run(each, "docker image prune -f")
    with registry_down(releases):
        for version, other in (("2", "3"), ("3", "2")):
            assert go_back(releases, **given("3")).changed
            assert releases.versions() == [version, version]
            assert listed(releases, host) == [(version, "serves"), (other, "container"), ("1", "container")]
            for each in releases.hosts:
                serving = releases.containers(each)[APP]
                assert environment(releases, each)["GREETING"] == version
                assert serving["HostConfig"]["Memory"] == given(version)["memory"]
                assert serving["Config"]["Labels"]["io.jarship.deployed-by"] == "other@desk"
        go_back(releases, "1", **given("3"))
    assert releases.versions() == ["1", "1"]
    assert listed(releases, host) == [("1", "serves"), ("3", "container"), ("2", "container")]
    assert len(releases.names(host)) == 4
    assert len(releases.sandbox.run(host, "docker images -q jarship/tiny").split()) == 4


@pytest.mark.thorough
@pytest.mark.fault(44)
def test_what_is_gone_is_pulled_or_refused_before_anything_stops(releases: Releases) -> None:
    releases.deploy(releases.build("1"), app_env={"GREETING": "one"})
    releases.deploy(releases.build("2"), app_env={"GREETING": "two"})
    last = releases.hosts[-1]
    releases.sandbox.run(last, "docker system prune -af")
    before = [releases.containers(host) for host in releases.hosts]
    with registry_down(releases), pytest.raises(HostError) as raised:
        go_back(releases)
    assert last.name in raised.value.host
    assert "cannot be pulled" in raised.value.what
    assert [releases.containers(host) for host in releases.hosts] == before
    assert all(releases.untouched(host) for host in releases.hosts)

    go_back(releases)
    assert releases.versions() == ["1", "1"]
    assert environment(releases, last)["GREETING"] == "one", "another host still tells what it ran with"
    assert not warnings(releases)

    for host in releases.hosts:
        releases.sandbox.run(host, "docker system prune -af")
    go_back(releases, app_env={"GREETING": "today"})
    assert releases.versions() == ["2", "2"]
    assert environment(releases, last)["GREETING"] == "today"
    assert "today's settings" in warnings(releases)

    go_back(releases, current_settings=True, app_env={"GREETING": "newest"})
    assert releases.versions() == ["1", "1"]
    assert environment(releases, last)["GREETING"] == "newest"


def warnings(releases: Releases) -> str:
    return "".join(event.text for event in releases.events if event.kind == "warning")


def test_a_way_back_that_fails_ends_where_it_began(releases: Releases) -> None:
    """The log file of the earlier release cannot be written any more."""
    host = releases.hosts[0]
    one_host: dict[str, Any] = {"only": (host,)}
    releases.sandbox.run(host, "install -d -o 10001 -g 10001 /srv/logs-back")
    logging: dict[str, Any] = {
        "mounts": (Mount(source="/srv/logs-back", target="/logs"),),
        "log_file": "/logs/app.log",
    }
    releases.deploy(releases.build("1"), **logging, **one_host)
    releases.deploy(releases.build("2"), **one_host)
    releases.sandbox.run(
        host, "rm /srv/logs-back/app.log; install -d -o 10001 -g 10001 /srv/logs-back/app.log"
    )
    with pytest.raises(RolledBack) as raised:
        go_back(releases, **one_host)
    releases.sandbox.run(host, "rm -rf /srv/logs-back")
    assert "exit code 3" in raised.value.why
    assert releases.version(host) == "2"
    assert listed(releases, host) == [("2", "serves"), ("1", "container")]
