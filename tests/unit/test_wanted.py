from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from deploy.sandbox import wanted
from deploy.sandbox.keys import ensure_key
from deploy.sandbox.state import Home, State
from deploy.values import labels


@pytest.fixture
def ports() -> Iterator[int]:
    return count(21000)


def state(**changes: object) -> State:
    return State(id="0badcafe", home="/clone/.jarship/sandbox", registry_port=20999, setting=2).model_copy(
        update=changes
    )


def with_hosts(before: State, ports: Iterator[int]) -> State:
    return wanted.with_hosts(before, ports, lambda name: f"key of {name}")


def test_hosts_are_numbered_and_get_a_port_for_ssh_and_one_for_the_application(ports: Iterator[int]) -> None:
    hosts = with_hosts(state(), ports).hosts
    assert [(host.name, host.ssh_port, host.app_port) for host in hosts] == [
        ("host-1", 21000, 21001),
        ("host-2", 21002, 21003),
    ]


def test_growing_and_shrinking_leave_the_others_as_they_are(ports: Iterator[int]) -> None:
    two = with_hosts(state(), ports)
    four = with_hosts(two.model_copy(update={"asked": 4}), ports)
    assert four.hosts[:2] == two.hosts
    assert len(four.hosts) == 4
    assert with_hosts(four.model_copy(update={"asked": 1}), ports).hosts == two.hosts[:1]


def test_a_number_once_asked_for_holds_until_the_setting_changes() -> None:
    asked = wanted.number_of_hosts(state(), 5, 2)
    assert wanted.number_of_hosts(asked, None, 2).asked == 5
    assert wanted.number_of_hosts(asked, None, 3).asked is None


def test_only_the_container_without_its_ports_gets_others(ports: Iterator[int]) -> None:
    before = with_hosts(state(), ports)
    after = wanted.with_other_ports(before, "host-2", iter([29000, 29001]))
    assert after.hosts[0] == before.hosts[0]
    assert (after.hosts[1].ssh_port, after.hosts[1].app_port) == (29000, 29001)
    assert wanted.with_other_ports(before, "registry", iter([29000])).registry_port == 29000


def test_specs(tmp_path: Path, ports: Iterator[int]) -> None:
    home = Home(tmp_path)
    home.key.with_suffix(".pub").write_text("the key that gets in\n")
    before = wanted.with_hosts(state(confinement="capabilities", cgroups="1"), ports, lambda name: "")
    for host in before.hosts:
        ensure_key(home.host_key(host.name))
    images = {"host": "host:1", "registry": "registry:2"}
    registry, first, second = wanted.specs(before, home, images, app_port=8080)  # type: ignore[arg-type]
    assert registry.ports == {5000: 20999}
    assert first.ports == {22: 21000, 8080: 21001}
    assert (first.hostname, first.name) == ("host-1", "jarship-0badcafe-host-1")
    assert first.labels()[labels.SANDBOX] == "0badcafe"
    assert {file.path: (file.mode, file.uid) for file in first.files} == {
        "/etc/ssh/ssh_host_ed25519_key": (0o600, 0),
        "/home/deploy/.ssh/authorized_keys": (0o600, 1000),
    }
    assert first.files[0] != second.files[0]
    moved = wanted.specs(before, home, images, app_port=9090)  # type: ignore[arg-type]
    assert moved[0].digest() == registry.digest()
    assert moved[1].digest() != first.digest()
