"""The lock on real hosts: it excludes, says who holds it, and ends with its owner, however that ends."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.hosts.connection import Connection
from deploy.hosts.fleet import connections
from deploy.hosts.lock import FleetLock, LockLost, Owner, hold, hold_all
from deploy.values.errors import HostError, LockedError
from deploy.values.inventory import Host
from tests.support.sandbox import ROOT, RunningSandbox
from tests.support.sshd import cut_off

ANNE = Owner(who="anne", where="desk-1", release="1.0-abcdef0", since="2026-01-01T10:00:00Z")
BOB = Owner(who="bob", where="ci-7", release="1.1-1234567", since="2026-01-01T10:00:05Z")
FREE = "flock -n /tmp/jarship-hello.lock true && echo free || echo held"

HOLD = """
import sys, time
from deploy.hosts.connection import connect
from deploy.hosts.lock import Owner, hold
from deploy.values.inventory import Access, Host
port, key, known_hosts = sys.argv[1:]
host = Host(name="h", address="127.0.0.1", port=int(port), user="deploy")
held = hold(connect(host, Access(key=key, known_hosts=known_hosts)), "hello",
            Owner(who="anne", where="desk-1", release="1.0-abcdef0", since="s"))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def host(sandbox: RunningSandbox) -> Host:
    return sandbox.hosts[0]


@pytest.fixture
def one(sandbox: RunningSandbox, host: Host) -> Iterator[Connection]:
    with sandbox.connect(host) as connection:
        yield connection


@pytest.fixture
def other(sandbox: RunningSandbox, host: Host) -> Iterator[Connection]:
    with sandbox.connect(host) as connection:
        yield connection


def seconds_until_free(connection: Connection, *, most: float) -> float:
    begun = time.monotonic()
    while time.monotonic() - begun < most:
        try:
            hold(connection, "hello", BOB).release()
        except LockedError:
            time.sleep(0.1)
        else:
            return time.monotonic() - begun
    raise AssertionError(f"still held after {most} s")


@pytest.mark.fault(39)
def test_the_loser_is_told_who_where_what_and_since_when(one: Connection, other: Connection) -> None:
    with hold(one, "hello", ANNE), pytest.raises(LockedError) as caught:
        hold(other, "hello", BOB)

    assert "anne on desk-1 deploys 1.0-abcdef0 since 2026-01-01T10:00:00Z" in caught.value.why
    assert caught.value.exit_code == 3
    hold(other, "hello", BOB).release()


@pytest.mark.fault(38)
def test_a_killed_owner_leaves_it_free(
    sandbox: RunningSandbox, host: Host, other: Connection, tmp_path: Path
) -> None:
    arguments = [str(host.port), str(sandbox.access.key), str(sandbox.access.known_hosts)]
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    assert owner.stdout.readline() == "held\n"
    with pytest.raises(LockedError):
        hold(other, "hello", BOB)
    owner.kill()
    owner.wait()
    owner.stdout.close()

    assert seconds_until_free(other, most=30) < 15


@pytest.mark.fault(38)
def test_a_cut_cable_ends_it_on_both_sides(sandbox: RunningSandbox, host: Host, one: Connection) -> None:
    held = hold(one, "hello", ANNE, heartbeat=0.5, timeout=3)
    held.check()
    mend = cut_off(sandbox, host)
    try:
        time.sleep(2)
        assert sandbox.run(host, FREE).strip() == "held"
        begun = time.monotonic()
        with pytest.raises(LockLost):
            held.check()
        assert time.monotonic() - begun < 10
        deadline = time.monotonic() + 5
        while sandbox.run(host, FREE).strip() == "held" and time.monotonic() < deadline:
            time.sleep(0.2)
        assert sandbox.run(host, FREE).strip() == "free"
    finally:
        mend()


@pytest.mark.thorough
@pytest.mark.fault(10)
def test_what_was_sent_into_a_cut_cable_never_arrives(
    sandbox: RunningSandbox, host: Host, one: Connection
) -> None:
    """What a forwarder or a gateway holds back would come when the lock is somebody else's."""
    sent = one.open_script("cat > /tmp/jarship-late")
    with hold(one, "hello", ANNE, heartbeat=0.5, timeout=3):
        mend = cut_off(sandbox, host)
        try:
            sent.sendall(b"late")
            time.sleep(5)
            assert sandbox.run(host, FREE).strip() == "free"
        finally:
            mend()
        time.sleep(10)  # It is sent again after 6.4 s at the latest.
        assert sandbox.run(host, "cat /tmp/jarship-late") == ""


@pytest.mark.thorough
@pytest.mark.fault(21)
def test_a_deployers_clock_plays_no_part(one: Connection, other: Connection) -> None:
    ahead = Owner(who="anne", where="desk-1", release="1.0", since="2099-01-01T00:00:00Z")
    behind = Owner(who="bob", where="ci-7", release="1.1", since="1999-01-01T00:00:00Z")
    for first, second in ((ahead, behind), (behind, ahead)):
        with hold(one, "hello", first) as held:
            with pytest.raises(LockedError):
                hold(other, "hello", second)
            held.check()


@pytest.mark.fault(40)
def test_a_directory_that_cannot_be_written(sandbox: RunningSandbox, host: Host, one: Connection) -> None:
    sandbox.run(host, "mount -t tmpfs -o ro tmpfs /tmp")
    try:
        with pytest.raises(HostError) as caught:
            hold(one, "hello", ANNE)
    finally:
        sandbox.run(host, "umount /tmp")

    assert caught.value.exit_code == 5
    assert "cannot be made: Read-only file system" in caught.value.why
    assert not isinstance(caught.value, LockedError)


@pytest.mark.thorough
@pytest.mark.fault(40)
def test_a_full_directory(sandbox: RunningSandbox, host: Host, one: Connection) -> None:
    sandbox.run(host, "mount -t tmpfs -o size=4k,mode=1777 tmpfs /tmp && head -c 4096 /dev/zero > /tmp/full")
    try:
        with pytest.raises(HostError) as caught:
            hold(one, "hello", ANNE)
    finally:
        sandbox.run(host, "umount /tmp")

    assert "No space left" in caught.value.why


def test_two_users_of_a_host_exclude_each_other(sandbox: RunningSandbox, host: Host, one: Connection) -> None:
    sandbox.run(
        host,
        "useradd -m -s /bin/bash ops && usermod -p '*' ops && cp -r /home/deploy/.ssh /home/ops/"
        " && chown -R ops: /home/ops/.ssh",
    )
    try:
        ops = Host(name=host.name, address=host.address, port=host.port, user="ops")
        with sandbox.connect(ops) as other:
            with hold(one, "hello", ANNE), pytest.raises(LockedError, match="Another deploy"):
                hold(other, "hello", BOB)
            with hold(other, "hello", BOB), pytest.raises(LockedError) as caught:
                hold(one, "hello", ANNE)
    finally:
        sandbox.run(host, "userdel -rf ops 2> /dev/null")

    assert "bob on ci-7" in caught.value.why


@pytest.mark.fault(39)
def test_of_two_deployers_that_begin_together_one_gets_every_host(sandbox: RunningSandbox) -> None:
    for _ in range(10):
        start = threading.Barrier(2)
        outcomes: list[FleetLock | LockedError] = []

        def deploy(
            owner: Owner, start: threading.Barrier = start, outcomes: list[FleetLock | LockedError] = outcomes
        ) -> None:
            with connections(sandbox.hosts, sandbox.access) as reached:
                start.wait(30)
                try:
                    with hold_all(list(reached.values()), "hello", owner) as held:
                        held.check()
                        outcomes.append(held)
                        start.wait(30)
                except LockedError as error:
                    outcomes.append(error)
                    start.wait(30)

        threads = [threading.Thread(target=deploy, args=(owner,)) for owner in (ANNE, BOB)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["FleetLock", "HeldError"]
