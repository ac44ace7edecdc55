"""Getting a lost host back, with a host in memory that comes back when it is told to."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import NotFound

from deploy.hosts.lock import HeldError, LockLost, Owner
from deploy.rollout import health, regain, session
from deploy.rollout.regain import stand_up
from deploy.rollout.session import Session
from deploy.rollout.site import Cancelled, Site
from deploy.values import labels
from deploy.values.errors import HostError, LockedError, Unreachable
from deploy.values.events import Event, Stream
from deploy.values.inventory import Host
from deploy.values.plan import HostPlan
from deploy.values.release import HealthCheck
from deploy.values.steps import Serving
from tests.support.fleet import a_release

OURS = Owner(who="anne", where="desk", release="1.0", since="now")
THEIRS = Owner(who="bob", where="ci", release="1.1", since="later")
RELEASE = a_release()
CHECK = HealthCheck(path="/", port=8080, below=500, timeout=10)
WAS = Serving(
    id="old", name="hello", release="r0", tag="0.9", digest="", alias="rr0", running=True, health=CHECK
)


def planned(was: Serving | None = WAS) -> HostPlan:
    return HostPlan(host="h1", was=was, strategy="start-first", why="", there=frozenset({"r0"}))


@dataclass
class Computer:
    """A host: each list holds what the next tries fail with; then all is well."""

    connecting: list[Exception] = field(default_factory=list)
    locking: list[Exception] = field(default_factory=list)
    engine: list[Exception] = field(default_factory=list)
    containers_: list[dict[str, Any]] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    there: bool = True
    said: list[str] = field(default_factory=list)

    def connect(self) -> Any:
        return self._next("connect", self.connecting)

    def take(self, _connection: object) -> Any:
        return self._next("lock", self.locking)

    def through(self, _connection: object) -> Any:
        self._next("engine", self.engine)
        return SimpleNamespace(api=self, close=lambda: None)

    def _next(self, what: str, failures: list[Exception]) -> "Part":
        self.said.append(what)
        if failures:
            raise failures.pop(0)
        return Part(self.said, what)

    def ping(self) -> bool:
        return True

    def containers(self, **_: object) -> list[dict[str, Any]]:
        return self.containers_

    def inspect_container(self, name: str) -> dict[str, Any]:
        if not self.there:
            raise NotFound(name)
        return {"Id": name, "State": {"Running": name not in self.stopped}}

    def start(self, name: str) -> None:
        self.said.append(f"start {name}")


class Part(AbstractContextManager["Part"]):
    """A connection or a lock that was opened again."""

    def __init__(self, said: list[str], what: str) -> None:
        self._said, self._what = said, what

    def alive(self) -> bool:
        return True

    def check(self) -> None:
        """Held."""

    def close(self) -> None:
        self._said.append(f"end {self._what}")

    def __exit__(self, *_: object) -> None:
        self.close()


class Lost:
    """The connection and the lock of before the reboot."""

    def alive(self) -> bool:
        return False

    def check(self) -> None:
        raise LockLost("The deploy's lock on the host is lost.")

    def close(self) -> None:
        """Nothing is left of it."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Callable[[Computer], Site]:
    def make(computer: Computer, *, lost: bool = True) -> Site:
        monkeypatch.setattr(session, "through", computer.through)
        monkeypatch.setattr(regain, "PAUSE", 0)
        part: Any = Lost() if lost else Part(computer.said, "the first")
        client: Any = SimpleNamespace(api=computer, close=lambda: None)
        here = Session(
            connection=part,
            client=client,
            lock=part,
            owner=OURS,
            connect=computer.connect,
            take=computer.take,
            stack=ExitStack(),
        )
        return Site(host=Host(name="h1", address="h1"), session=here, stream=Stream())

    return make


Make = Callable[..., Site]


def container(release: str, tag: str = "1.0") -> dict[str, Any]:
    told = {labels.RELEASE: release, labels.TAG: tag, labels.DEPLOYED_BY: "bob@ci"}
    return {"Names": [f"/hello-{release}"], "Labels": told}


def test_a_host_that_is_there_is_left_alone(site: Make) -> None:
    computer = Computer()
    assert not regain.regain(site(computer, lost=False), RELEASE, planned())
    assert computer.said == []


@pytest.mark.fault(41)
def test_a_host_that_comes_back_is_connected_to_locked_and_asked_again(site: Make) -> None:
    down = Unreachable("No answer.")
    computer = Computer(connecting=[down, down], containers_=[container("r0"), container(RELEASE.id)])
    here = site(computer)
    assert regain.regain(here, RELEASE, planned())
    assert computer.said == ["connect", "connect", "connect", "lock", "engine"]
    here.check_lock()
    assert here.api is computer
    here.session.stack.close()
    assert computer.said[-2:] == ["end lock", "end connect"]


@pytest.mark.fault(42)
def test_the_lock_is_kept_while_the_engine_is_waited_for(site: Make) -> None:
    computer = Computer(engine=[HostError("Docker is not running on h1."), HostError("Again.")])
    assert regain.regain(site(computer), RELEASE, planned())
    assert computer.said == ["connect", "lock", "engine", "engine", "engine"]


@pytest.mark.fault(10)
def test_what_is_left_of_our_own_lock_is_waited_for(site: Make) -> None:
    computer = Computer(locking=[held(OURS), held(None)])
    assert regain.regain(site(computer), RELEASE, planned())
    assert computer.said.count("lock") == 3
    assert computer.said.count("end connect") == 2, "a connection without the lock is closed"


def held(owner: Owner | None) -> HeldError:
    error = HeldError("Another deploy holds the lock.")
    error.owner = owner
    return error


def test_a_lock_that_somebody_else_has_taken_is_not_waited_for(site: Make) -> None:
    computer = Computer(locking=[held(THEIRS)])
    with pytest.raises(LockedError):
        regain.regain(site(computer), RELEASE, planned())
    assert computer.said.count("lock") == 1


def test_somebody_else_s_deploy_is_left_as_it_is(site: Make) -> None:
    computer = Computer(containers_=[container("r0"), container("r9", "1.1")])
    with pytest.raises(HostError, match="Somebody else has deployed") as raised:
        regain.regain(site(computer), RELEASE, planned())
    assert "hello-r9 was not here before: 1.1, by bob@ci" in raised.value.why


@pytest.mark.fault(41)
def test_the_wait_has_an_end(site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    assert regain.WAIT == 120
    monkeypatch.setattr(regain, "WAIT", 0)
    computer = Computer(connecting=[Unreachable("No answer.", why="timed out")])
    with pytest.raises(HostError, match="did not come back within 0 s") as raised:
        regain.regain(site(computer), RELEASE, planned())
    assert raised.value.why == "No answer. timed out"
    assert raised.value.host == "h1"


def test_it_can_be_cancelled(site: Make) -> None:
    here = site(Computer(connecting=[Unreachable("No answer.")]))
    here.cancel.set()
    with pytest.raises(Cancelled):
        regain.regain(here, RELEASE, planned())


@pytest.mark.fault(42)
def test_what_the_engine_did_not_start_again_is_started(site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    monkeypatch.setattr(health, "await_healthy", lambda _site, name, _check: checked.append(name))
    computer = Computer(stopped={"hello-proxy", "old"})
    stand_up(site(computer), "hello", planned(), proxy=True, old=True)
    assert computer.said == ["start hello-proxy", "start old"]
    assert checked == ["old"]


def test_what_was_stopped_on_purpose_stays_so(site: Make) -> None:
    computer = Computer(stopped={"hello-proxy", "old"})
    stand_up(site(computer), "hello", planned(), proxy=False, old=False)
    computer.there = False
    stand_up(site(computer), "hello", planned(), proxy=True, old=True)
    assert computer.said == []


def test_a_lost_host_is_told_of_and_the_wait_shown(site: Make) -> None:
    heard: list[Event] = []
    here = site(Computer(connecting=[Unreachable("No answer.", why="timed out")]))
    object.__setattr__(here, "stream", Stream(heard.append))
    regain.regain(here, RELEASE, planned())
    assert [event.kind for event in heard] == ["warning", "progress"]
    assert "No answer. timed out" in heard[1].text


def test_nothing_of_it_is_for_hosts_that_are_only_read() -> None:
    nothing: Any = nullcontext()
    reading = Session(
        connection=nothing, client=nothing, connect=lambda: nothing, take=lambda _: nothing, stack=ExitStack()
    )
    assert not reading.is_held()
