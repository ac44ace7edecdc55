"""Hosts that have no way to the registry, and pull through the SSH connection of whoever deploys."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from deploy.setup.doctor import Patient, examine
from deploy.values.errors import HostError
from deploy.values.events import Stream
from deploy.values.inventory import Host
from tests.support.rollouts import APP, Releases
from tests.support.sandbox import ROOT
from tests.support.sshd import sshd_option

TUNNEL: dict[str, Any] = {"registry_trust": "tunnel"}
PORT = 15000


@contextmanager
def cut_off(releases: Releases) -> Iterator[None]:
    """No host reaches the registry."""
    rule = "-p tcp --dport 5000 -j REJECT"
    with ExitStack() as stack:
        for host in releases.hosts:
            releases.sandbox.run(host, f"iptables -I OUTPUT {rule}")
            stack.callback(releases.sandbox.run, host, f"iptables -D OUTPUT {rule}")
        yield


def listening(releases: Releases, host: Host) -> str:
    """What listens on the port that the tunnel takes."""
    return releases.sandbox.run(host, f"ss -ltnH sport = :{PORT}").strip()


def refused(releases: Releases) -> HostError:
    """A deploy that must be refused before anything is touched."""
    with pytest.raises(HostError) as raised:
        releases.deploy(releases.build("1"), **TUNNEL)
    assert raised.value.host == releases.hosts[1].name
    assert all(releases.untouched(host) for host in releases.hosts)
    assert not listening(releases, releases.hosts[0])
    return raised.value


def test_it_is_released_and_gone_back_to_where_no_host_reaches_the_registry(releases: Releases) -> None:
    with cut_off(releases):
        with pytest.raises(HostError, match="Could not pull"):
            releases.deploy(releases.build("one"))
        for version in ("one", "two"):
            releases.deploy(releases.build(version), **TUNNEL)
            assert releases.versions() == [version, version]
            assert not any(listening(releases, host) for host in releases.hosts)
        image = releases.containers(releases.hosts[0])[APP]["Config"]["Image"]
        assert image.startswith(f"127.0.0.1:{PORT}/{APP}@sha256:")
        # One host has lost the earlier release, and so needs the registry on the way back.
        gone = releases.hosts[1]
        (old,) = (name for name in releases.names(gone) if name.startswith(f"{APP}-2"))
        releases.sandbox.run(
            gone, f"i=$(docker inspect -f '{{{{.Image}}}}' {old}) && docker rm {old} && docker rmi -f $i"
        )
        releases.roll_back(**TUNNEL)
        assert releases.versions() == ["one", "one"]
        assert not any(listening(releases, host) for host in releases.hosts)


def test_a_port_that_is_taken_is_refused(releases: Releases) -> None:
    with releases.listening(releases.hosts[1], PORT):
        told = refused(releases)
    assert f"Port {PORT} of the host's loopback is taken" in told.what
    assert "REGISTRY_TUNNEL_PORT" in told.advice


def test_an_ssh_server_that_forbids_it_is_refused(releases: Releases) -> None:
    with sshd_option(releases.sandbox, releases.hosts[1], "AllowTcpForwarding local"):
        told = refused(releases)
    assert "forbids remote TCP forwarding" in told.what
    assert "AllowTcpForwarding yes" in told.advice


def test_the_doctor_looks_through_it(releases: Releases) -> None:
    settings = releases.settings(**TUNNEL)
    patient = Patient(settings=settings, root=ROOT, environ={}, stream=Stream())
    with cut_off(releases), releases.listening(releases.hosts[1], PORT):
        found = {(each.where, each.subject): each for each in examine(patient)}
    one, other = (found[host.name, "registry"] for host in releases.hosts)
    assert one.verdict == "ok"
    assert f"127.0.0.1:{PORT}" in one.says
    assert other.verdict == "error"
    assert "is taken" in other.says
    assert found[releases.hosts[0].name, "trust"].verdict == "ok"
