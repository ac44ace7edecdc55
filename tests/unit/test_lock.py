"""The lock's own script, run by bash here, and its owner's side talking to it through pipes."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.hosts import lock
from deploy.hosts.connection import Connection
from deploy.hosts.lock import HeldError, Lock, LockLost, Owner, hold, hold_all, read_owner
from deploy.values.errors import HostError, LockedError
from deploy.values.inventory import Host

pytestmark = pytest.mark.skipif(not shutil.which("flock"), reason="flock is in util-linux, Linux only")

ANNE = Owner(who="anne", where="desk-1", release="1.0-abcdef0", since="2026-01-01T10:00:00Z")
BOB = Owner(who="bob", where="ci-7", release="1.1-1234567", since="2026-01-01T10:00:05Z")


class Pipes:
    """A process's stdin and stdout in the shape of a paramiko channel."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._timeout: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def sendall(self, data: bytes) -> None:
        if not self.process.stdin or self.process.stdin.closed:
            raise OSError("Socket is closed")
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def recv(self, size: int) -> bytes:
        assert self.process.stdout
        try:
            if not select.select([self.process.stdout], [], [], self._timeout)[0]:
                raise TimeoutError
            return os.read(self.process.stdout.fileno(), size)
        except ValueError as closed:
            raise OSError("Socket is closed") from closed

    def recv_stderr(self, size: int) -> bytes:
        assert self.process.stderr
        return os.read(self.process.stderr.fileno(), size)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()


class FakeConnection:
    """Runs the scripts of a connection here, with the lock file in a directory of the test."""

    def __init__(self, directory: Path, name: str) -> None:
        self.host = Host(name=name, address="192.0.2.1")
        self.channels: list[Pipes] = []
        self._directory = directory

    def open_script(self, script: str, *, args: Sequence[str], timeout: float) -> Pipes:
        assert args[0].startswith("/tmp/jarship-")
        file = self._directory / Path(args[0]).name
        channel = Pipes(["bash", "-c", script, "lock.sh", str(file), *args[1:]])
        self.channels.append(channel)
        return channel

    def alive(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.slept


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    made: list[FakeConnection] = []

    def make(name: str = "web1", directory: str = "tmp") -> Any:
        (tmp_path / directory).mkdir(exist_ok=True)
        made.append(FakeConnection(tmp_path / directory, name))
        return made[-1]

    yield make
    for channel in (channel for connection in made for channel in connection.channels):
        channel.close()
        channel.process.kill()
        channel.process.wait()
        for pipe in (channel.process.stdout, channel.process.stderr):
            if pipe:
                pipe.close()


def take(connection: Any, owner: Owner = ANNE, **options: Any) -> Lock:
    return hold(cast(Connection, connection), "hello", owner, **options)


def test_it_is_held_checked_and_released(connect: Callable[..., Any]) -> None:
    with take(connect()) as held:
        held.check()

    with take(connect(), BOB) as again:
        again.check()


@pytest.mark.fault(39)
def test_the_loser_is_told_who_holds_it(connect: Callable[..., Any]) -> None:
    with take(connect(), ANNE), pytest.raises(LockedError) as caught:
        take(connect(), BOB)

    assert "anne on desk-1 deploys 1.0-abcdef0 since 2026-01-01T10:00:00Z" in caught.value.why
    assert caught.value.host == "web1"
    assert caught.value.exit_code == 3


@pytest.mark.fault(39)
def test_a_holder_that_is_just_about_to_say_who_it_is_is_waited_for(
    connect: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "tmp" / "jarship-hello.lock"
    connection = connect()
    said = json.dumps(asdict(ANNE))
    with subprocess.Popen(
        ["flock", str(file), "sh", "-c", 'echo held; sleep 0.3; echo "$0" > "$1"; exec cat', said, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError) as caught:
            take(connection, BOB)
        holder.communicate()
    assert "anne on desk-1 deploys 1.0-abcdef0" in caught.value.why


def test_two_applications_do_not_exclude_each_other(connect: Callable[..., Any]) -> None:
    with take(connect()), hold(connect(), "other", BOB):
        pass


@pytest.mark.fault(38)
def test_it_is_free_at_once_when_its_owner_is_killed(connect: Callable[..., Any]) -> None:
    connection = connect()
    take(connection)
    connection.channels[0].close()  # What sshd does when the connection is gone.
    connection.channels[0].process.wait(5)

    take(connect(), BOB).release()


@pytest.mark.fault(38)
def test_it_is_free_after_the_timeout_when_the_owner_is_silent(connect: Callable[..., Any]) -> None:
    connection = connect()
    take(connection, heartbeat=60, timeout=0.5)
    with pytest.raises(LockedError):
        take(connect(), BOB)

    connection.channels[0].process.wait(5)
    take(connect(), BOB).release()


def test_heartbeats_keep_it_beyond_its_timeout(connect: Callable[..., Any]) -> None:
    with take(connect(), heartbeat=0.2, timeout=1) as held:
        time.sleep(1.3)
        held.check()
        with pytest.raises(LockedError):
            take(connect(), BOB)


def test_an_owner_that_slept_notices_before_its_next_change(connect: Callable[..., Any]) -> None:
    clock, connection = Clock(), connect()
    held = take(connection, heartbeat=60, timeout=20, clock=clock)
    held.check()
    clock.slept = 3600
    connection.channels[0].process.kill()  # The host gave up waiting meanwhile.

    with pytest.raises(LockLost) as caught:
        held.check()

    assert caught.value.host == "web1"


def test_an_owner_that_slept_while_the_host_waited_still_has_it(connect: Callable[..., Any]) -> None:
    clock = Clock()
    with take(connect(), heartbeat=60, timeout=20, clock=clock) as held:
        clock.slept = 15
        held.check()


def test_a_host_that_stopped_answering_is_noticed(connect: Callable[..., Any]) -> None:
    clock, connection = Clock(), connect()
    held = take(connection, heartbeat=0.2, timeout=1, clock=clock)
    os.kill(connection.channels[0].process.pid, signal.SIGSTOP)
    time.sleep(0.7)

    with pytest.raises(LockLost, match="lost"):
        held.check()
    os.kill(connection.channels[0].process.pid, signal.SIGKILL)


@pytest.mark.fault(38)
def test_release_of_a_lost_lock_is_harmless(connect: Callable[..., Any]) -> None:
    connection = connect()
    held = take(connection)
    connection.channels[0].process.kill()
    held.release()
    held.release()


@pytest.mark.fault(39)
def test_of_many_that_begin_together_one_wins(connect: Callable[..., Any]) -> None:
    start = threading.Barrier(8)
    outcomes: list[object] = []

    def race(owner: Owner) -> None:
        connection = connect()
        start.wait()
        try:
            outcomes.append(take(connection, owner))
        except LockedError as error:
            outcomes.append(error)

    threads = [
        threading.Thread(target=race, args=(Owner(who=f"u{n}", where="w", release="r", since="s"),))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["HeldError"] * 7 + ["Lock"]


def test_the_locks_of_a_fleet_are_taken_all_or_none(connect: Callable[..., Any]) -> None:
    ones, others = ([connect(name, name) for name in ("web2", "web1", "web3")] for _ in range(2))
    with take(connect("web3", "web3"), BOB), pytest.raises(LockedError) as caught:
        hold_all(ones, "hello", ANNE)
    assert caught.value.host == "web3"

    with hold_all(others, "hello", ANNE) as held:
        held.check()
        assert list(held.locks) == ["web1", "web2", "web3"]


def test_two_names_of_one_host_are_found_out(connect: Callable[..., Any]) -> None:
    with pytest.raises(HostError, match="Two names") as caught:
        hold_all([connect("web1"), connect("web1.example.com")], "hello", ANNE)

    assert not isinstance(caught.value, LockedError)
    take(connect(), BOB).release()


class TestTheFile:
    def test_all_users_may_write_it(self, connect: Callable[..., Any], tmp_path: Path) -> None:
        take(connect()).release()

        assert (tmp_path / "tmp/jarship-hello.lock").stat().st_mode & 0o777 == 0o666

    def test_it_names_the_owner_while_held_and_nobody_after(
        self, connect: Callable[..., Any], tmp_path: Path
    ) -> None:
        file = tmp_path / "tmp/jarship-hello.lock"
        with take(connect()):
            assert read_owner(file.read_text()) == ANNE

        assert file.read_text() == ""

    def test_a_longer_owner_before_leaves_nothing_behind(
        self, connect: Callable[..., Any], tmp_path: Path
    ) -> None:
        (tmp_path / "tmp").mkdir()
        file = tmp_path / "tmp/jarship-hello.lock"
        file.write_text("x" * 5000)
        with take(connect()):
            assert read_owner(file.read_text()) == ANNE

    def test_a_symbolic_link_is_refused(self, connect: Callable[..., Any], tmp_path: Path) -> None:
        (tmp_path / "tmp").mkdir()
        precious = tmp_path / "precious"
        precious.write_text("kept")
        (tmp_path / "tmp/jarship-hello.lock").symlink_to(precious)

        with pytest.raises(HostError, match="cannot be taken") as caught:
            take(connect())

        assert "symbolic link" in caught.value.why
        assert precious.read_text() == "kept"

    def test_a_pipe_is_refused_without_waiting_for_its_writer(
        self, connect: Callable[..., Any], tmp_path: Path
    ) -> None:
        (tmp_path / "tmp").mkdir()
        os.mkfifo(tmp_path / "tmp/jarship-hello.lock")

        with pytest.raises(HostError) as caught:
            take(connect())

        assert "not a regular file" in caught.value.why

    @pytest.mark.fault(40)
    def test_a_directory_that_is_not_there_is_told(self, connect: Callable[..., Any], tmp_path: Path) -> None:
        connection = connect()
        (tmp_path / "tmp").rmdir()

        with pytest.raises(HostError) as caught:
            take(connection)

        assert "cannot be made: No such file or directory" in caught.value.why
        assert caught.value.exit_code == 5


class TestWhatTheFileSays:
    """Anyone on the host can write it."""

    def test_an_owner_is_read_back(self) -> None:
        assert read_owner(json.dumps(vars(ANNE))) == ANNE

    @pytest.mark.parametrize("text", ["", "anne", "[]", "{}", '{"who": 1}', "null", '"who"'])
    def test_nonsense_is_nobody(self, text: str) -> None:
        assert read_owner(text) is None

    def test_control_characters_and_lengths_are_cut(self) -> None:
        odd = {"who": "a\n\x1b[31mb", "where": "w" * 5000, "release": "\u202er", "since": "s"}
        owner = read_owner(json.dumps(odd))

        assert owner is not None
        assert owner.who == "a??[31mb"
        assert len(owner.where) == 200
        assert owner.release == "?r"

    @given(st.text())
    def test_whatever_it_says_is_one_printable_line(self, text: str) -> None:
        owner = read_owner(json.dumps({"who": text, "where": text, "release": text, "since": text}))

        assert owner is not None
        assert owner.who.isprintable()

    def test_a_loser_survives_a_foreign_content(self, connect: Callable[..., Any], tmp_path: Path) -> None:
        with take(connect()):
            (tmp_path / "tmp/jarship-hello.lock").write_bytes(b"\xff\x00 locked\nbeat 1\n" * 1000)
            with pytest.raises(HeldError) as caught:
                take(connect(), BOB)

        assert "has not said who it is" in caught.value.why


def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    assert lock.awake_and_asleep() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1)
