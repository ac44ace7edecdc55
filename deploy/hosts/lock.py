"""The lock of an application on a host, which cannot outlive its owner.

`lock.sh` holds it on the host, fed by heartbeats. When the owner dies, its connection closes and the lock is
free at once; when the cable is cut or the owner sleeps, the heartbeats stay away, and it is free after the
timeout. Such an owner has to notice before its next change: that is `Lock.check`, by this machine's clock
alone, which counts the time it slept; clocks of hosts play no part.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.hosts.connection import Connection, lacks_bash
from deploy.hosts.lines import Lines
from deploy.hosts.probe import missing_tool
from deploy.values.errors import Failure, HostError, LockedError

Clock = Callable[[], float]

ANSWER_TIMEOUT = 15.0
"""Seconds that the host has to start bash and answer."""
RELEASE_TIMEOUT = 3.0
_SCRIPT = Path(__file__).with_name("lock.sh")
_LONGEST = 200
"""Characters of each of the owner's fields that are shown: anyone on the host can write the file."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who holds a lock."""

    who: str
    """A user's name."""
    where: str
    """The machine that deploys, or the CI job."""
    release: str
    """What is being deployed."""
    since: str
    """ISO 8601, by the owner's clock."""


class HeldError(LockedError):
    """Says who holds the lock."""

    owner: Owner | None = None
    """None when its holder has not said it."""


class LockLost(HostError):
    """The lock is not known to be held any more: another deploy may be at work, so nothing may be changed."""


def awake_and_asleep() -> float:
    """Seconds that go on while the machine is suspended."""
    # macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC goes on.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lock:
    """A lock that is held; released by `release` or at the end of a `with` block."""

    def __init__(
        self,
        connection: Connection,
        lines: Lines,
        *,
        asked: float,
        heartbeat: float,
        timeout: float,
        clock: Clock,
    ) -> None:
        self.connection = connection
        self._lines = lines
        self._heartbeat = heartbeat
        self._timeout = timeout
        self._clock = clock
        self._sent: dict[int, float] = {}
        self._confirmed = asked
        """When the newest answered heartbeat was sent: the host holds the lock until `timeout` after it."""
        self._lost = ""
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def check(self) -> None:
        """Make sure that the lock is held, and will be for another half of its timeout.

        Costs nothing while heartbeats are answered; else asks the host once more. To be called before each
        change.

        Raises:
            LockLost: it is not, or nobody can tell.
        """
        with self._changed:
            if not self._fresh():
                self._wake.set()
                self._changed.wait_for(lambda: bool(self._lost) or self._fresh(), self._timeout / 4)
            if not self._fresh():
                raise self._loss()

    def release(self) -> None:
        """Give the lock back, and wait shortly until the host has; harmless when it is lost."""
        self._stopping = True
        self._wake.set()
        self._thread.join(RELEASE_TIMEOUT + 1)

    def _fresh(self) -> bool:
        return not self._lost and self._clock() - self._confirmed <= self._timeout / 2

    def _loss(self) -> LockLost:
        age = self._clock() - self._confirmed
        return LockLost(
            "The deploy's lock on the host is lost.",
            why=self._lost
            or f"The host has not answered a heartbeat for {age:.0f} s (this machine slept, or the "
            "link is bad).",
            advice="Nothing more is changed there. Look with `status`, and deploy again.",
            host=self.connection.host.name,
        )

    def _keep(self) -> None:
        number = 0
        try:
            while not self._stopping:
                number += 1
                self._beat(number)
                self._wake.wait(self._heartbeat)
                self._wake.clear()
            self._give_back()
        except (OSError, EOFError) as error:
            with self._changed:
                self._lost = f"The process that held it on the host has ended ({error})."
                self._changed.notify_all()
        finally:
            self._lines.close()

    def _beat(self, number: int) -> None:
        self._sent[number] = self._clock()
        self._lines.write(str(number))
        deadline = time.monotonic() + self._heartbeat
        answered = 0
        while answered < number:
            try:
                word, _, rest = self._lines.read(deadline).partition(" ")
            except TimeoutError:
                return  # The next heartbeat asks again; `check` judges.
            if word == "beat" and rest.isdecimal():
                answered = int(rest)
                self._confirm(answered)

    def _confirm(self, number: int) -> None:
        sent = self._sent.get(number)
        if sent is None:
            return
        self._sent = {n: at for n, at in self._sent.items() if n > number}
        with self._changed:
            self._confirmed = sent
            self._changed.notify_all()

    def _give_back(self) -> None:
        self._lines.write("release")
        deadline = time.monotonic() + RELEASE_TIMEOUT
        with contextlib.suppress(TimeoutError):
            while self._lines.read(deadline) != "released":
                pass


class FleetLock:
    """The locks of all hosts of a rollout."""

    def __init__(self, locks: Mapping[str, Lock]) -> None:
        self.locks = dict(locks)
        """By host name."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def check(self, host_name: str = "") -> None:
        """Make sure that a host's lock is held, or every host's; raises LockLost."""
        for name, lock in self.locks.items():
            if host_name in {"", name}:
                lock.check()

    def release(self) -> None:
        """Give all back, the last one first."""
        for lock in reversed(self.locks.values()):
            lock.release()


def hold(
    connection: Connection,
    app_name: str,
    owner: Owner,
    *,
    heartbeat: float = 5,
    timeout: float = 20,
    clock: Clock = awake_and_asleep,
) -> Lock:
    """Take the lock of an application on a host, or fail at once.

    Args:
        connection: to the host; one of its sessions is used up to the release.
        app_name: deploys of one application exclude each other, whoever logs in.
        owner: told to those who come too late.
        heartbeat: seconds between signs of life.
        timeout: seconds without one after which the host gives the lock away.
        clock: seconds that go on while this machine sleeps.

    Raises:
        LockedError: somebody else holds it.
        HostError: the host cannot lock: no flock, no right to the file.
    """
    return _Candidate(connection, app_name, owner, timeout).take(heartbeat, clock)


def hold_all(
    connections: Sequence[Connection],
    app_name: str,
    owner: Owner,
    *,
    heartbeat: float = 5,
    timeout: float = 20,
    clock: Clock = awake_and_asleep,
) -> FleetLock:
    """Take the locks of all hosts, or none.

    One after the other in the order of their names, so that of two deploys that begin together one gets all.
    The hosts' processes are started all at once before.

    Raises:
        LockedError: somebody else holds one.
        HostError: a host cannot lock, or two names lead to one host.
    """
    taken: dict[str, Lock] = {}
    candidates: list[_Candidate] = []
    try:
        for connection in sorted(connections, key=lambda connection: connection.host.name):
            candidates.append(_Candidate(connection, app_name, owner, timeout))
        for candidate in candidates:
            taken[candidate.connection.host.name] = candidate.take(heartbeat, clock)
    except BaseException as error:
        for candidate in candidates:
            candidate.withdraw()
        FleetLock(taken).release()
        if isinstance(error, HeldError) and error.owner == owner and taken:
            raise HostError(
                "Two names of the inventory lead to this host.",
                why=f"This very deploy has locked it already, as one of {', '.join(taken)}.",
                advice="Name each host once in HOSTS and BALANCERS.",
                host=error.host,
            ) from error
        raise
    return FleetLock(taken)


class _Candidate:
    """A lock process on a host that has not been told to go for the lock yet."""

    def __init__(self, connection: Connection, app_name: str, owner: Owner, timeout: float) -> None:
        self.connection = connection
        self._owner = owner
        self._timeout = timeout
        self._file = f"/tmp/jarship-{app_name}.lock"  # noqa: S108  # shared by all users of the host, by design
        args = [self._file, f"{timeout:g}"]
        channel = connection.open_script(_SCRIPT.read_text(), args=args, timeout=ANSWER_TIMEOUT)
        self._lines = Lines(channel)
        self._taken = False
        self._say(json.dumps(asdict(owner)))

    def take(self, heartbeat: float, clock: Clock) -> Lock:
        answer = ""
        deadline = time.monotonic() + ANSWER_TIMEOUT
        asked = clock()
        self._say("go")
        try:
            # What the user's ~/.bashrc prints comes first.
            while answer != "ready":
                answer = self._lines.read(deadline)
            answer = self._lines.read(deadline)
            if answer == "locked":
                self._taken = True
                return Lock(
                    self.connection,
                    self._lines,
                    asked=asked,
                    heartbeat=heartbeat,
                    timeout=self._timeout,
                    clock=clock,
                )
            raise self._refused(answer, deadline)
        except TimeoutError as error:
            raise self._error("The host did not answer for its lock in time.", str(error)) from error
        except (OSError, EOFError) as error:
            raise self._ended(error) from error
        finally:
            self.withdraw()

    def withdraw(self) -> None:
        """Give up, unless the lock was taken."""
        if not self._taken:
            self._lines.close()

    def _say(self, line: str) -> None:
        try:
            self._lines.write(line)
        except (OSError, EOFError) as error:
            raise self._ended(error) from error

    def _refused(self, answer: str, deadline: float) -> Failure:
        word, _, rest = answer.partition(" ")
        if word == "held":
            with contextlib.suppress(EOFError):
                return self._held(rest, self._lines.read(deadline))
            return self._held(rest, "")
        if rest == "flock is missing":
            return missing_tool(self.connection, "flock", "util-linux")
        return self._error("The host's lock cannot be taken.", rest or answer)

    def _held(self, age: str, text: str) -> Failure:
        owner = read_owner(text)
        seconds = f"{int(age)} s" if age.isdecimal() else "an unknown time"
        by = (
            f"{owner.who} on {owner.where} deploys {owner.release} since {owner.since}"
            if owner
            else ("Its holder has not said who it is")
        )
        error = HeldError(
            "Another deploy holds the lock.",
            why=f"{by}; held for {seconds} by the host's clock.",
            advice=f"Wait until it has ended. If it was killed or cut off, the lock ends by itself within "
            f"{self._timeout:g} s.",
            host=self.connection.host.name,
        )
        error.owner = owner
        return error

    def _ended(self, error: Exception) -> HostError:
        if not self.connection.alive():
            return self.connection.broken()
        said = self._lines.errors()
        if lacks_bash(said):
            return self.connection.no_bash(said)
        return self._error("The host's lock cannot be taken.", said or f"The lock process ended ({error}).")

    def _error(self, what: str, why: str) -> HostError:
        return HostError(
            what,
            why=why,
            advice=f"On {self.connection.host.name}: ls -ld /tmp {self._file}; df /tmp",
            host=self.connection.host.name,
        )


def read_owner(text: str) -> Owner | None:
    """Read what a holder wrote about itself; None when that makes no sense.

    Anyone on the host can write the file: each field is one line of printable text, cut when it is long.
    """
    try:
        fields: Any = json.loads(text)
        return Owner(**{name: _plain(fields[name]) for name in ("who", "where", "release", "since")})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _plain(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return "".join(character if character.isprintable() else "?" for character in value)[:_LONGEST]
