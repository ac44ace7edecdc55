import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from docker.errors import APIError, DockerException, NotFound

from deploy.rollout import go_back, steps
from deploy.rollout.execute import execute
from deploy.rollout.health import Unhealthy
from deploy.rollout.site import Bench, Site
from deploy.values.account import account_of
from deploy.values.errors import Failure, HostError, Interrupted, LeftBroken, RolledBack
from deploy.values.events import Event, Stream
from deploy.values.inventory import Host
from deploy.values.plan import HostPlan, Plan, Stage, Work
from deploy.values.steps import Step
from tests.support.fleet import a_release, a_session


@dataclass(frozen=True, kw_only=True)
class Noted(Step):
    """A step that notes what is done to it, and fails when told to."""

    name: ClassVar[str] = "noted"
    phase: ClassVar[str] = "phase"
    label: str
    act: Callable[[Site], None] = lambda site: None
    act_back: Callable[[Site], None] = lambda site: None


class Lock:
    def check(self) -> None:
        """Always held."""


class Silent:
    """An engine that does not answer."""

    def ping(self) -> bool:
        return True

    def inspect_container(self, name: str) -> None:
        raise NotFound(name)

    def containers(self, **_: object) -> None:
        raise DockerException("no engine here")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done and undone, in order."""
    said: list[str] = []

    def do(step: Noted, site: Site) -> None:
        said.append(f"{site.host.name} do {step.label}")
        step.act(site)

    def undo(step: Noted, site: Site) -> None:
        said.append(f"{site.host.name} undo {step.label}")
        step.act_back(site)

    monkeypatch.setitem(steps.DOING, Noted, do)
    monkeypatch.setitem(steps.UNDOING, Noted, undo)
    monkeypatch.setattr(go_back, "keep_evidence", lambda *_: ["build/failure-h1"])
    return said


def sites(*hosts: str, listener: Callable[[Event], None] | None = None) -> dict[str, Site]:
    stream = Stream(*([listener] if listener else []))
    cancel = threading.Event()
    client: Any = SimpleNamespace(api=Silent())
    return {
        name: Site(
            host=Host(name=name, address=name),
            session=a_session(client=client, lock=Lock()),
            stream=stream,
            cancel=cancel,
        )
        for name in hosts
    }


def plan(*stages: Stage, hosts: tuple[str, ...] = ("h1",)) -> Plan:
    return Plan(
        release=a_release(),
        hosts=tuple(HostPlan(host=host, was=None, strategy="recreate", why="") for host in hosts),
        stages=stages,
    )


def stage(name: str, *batches: dict[str, list[Step]], after_commit: bool = False) -> Stage:
    work = tuple(
        tuple(Work(host=host, steps=tuple(todo)) for host, todo in batch.items()) for batch in batches
    )
    return Stage(name=name, batches=work, after_commit=after_commit)


def fails(error: Exception) -> Callable[[Site], None]:
    def act(_site: Site) -> None:
        raise error

    return act


BENCH = Bench(root=Path(), mask=str)


def test_stages_and_batches_follow_each_other(done: list[str]) -> None:
    one, two = Noted(label="1"), Noted(label="2")
    execute(
        plan(stage("a", {"h1": [one, two]}), stage("b", {"h1": [one]}, {"h2": [two]})),
        sites("h1", "h2"),
        BENCH,
    )
    assert done == ["h1 do 1", "h1 do 2", "h1 do 1", "h2 do 2"]


def test_a_failure_undoes_every_touched_host_last_step_first_the_failed_one_too(done: list[str]) -> None:
    bad = Noted(label="bad", act=fails(Unhealthy("Not healthy.", why="HTTP 500")))
    todo = plan(
        stage("first", {"h1": [Noted(label="1"), Noted(label="2")]}),
        stage("next", {"h2": [Noted(label="1"), bad, Noted(label="never")]}),
        hosts=("h1", "h2", "h3"),
    )
    with pytest.raises(RolledBack) as raised:
        execute(todo, sites("h1", "h2", "h3"), BENCH)
    error = raised.value
    assert (error.host, error.step, error.why) == ("h2", "noted", "HTTP 500")
    assert "build/failure-h1" in error.advice
    undone = [line for line in done if "undo" in line]
    assert undone == ["h2 undo bad", "h2 undo 1", "h1 undo 2", "h1 undo 1"]
    assert not any("never" in line or line.startswith("h3") for line in done)


def test_a_failure_while_preparing_touched_no_service(done: list[str]) -> None:
    bad = Noted(label="bad", act=fails(HostError("Could not pull.", why="no space left")))
    with pytest.raises(HostError) as raised:
        execute(plan(stage("pull", {"h1": [bad]})), sites("h1"), BENCH)
    assert raised.value.exit_code == 5
    assert "No service was touched." in raised.value.details


def test_an_undo_that_fails_is_told_with_its_host_and_the_others_are_still_undone(done: list[str]) -> None:
    stuck = Noted(label="stuck", act_back=fails(OSError("link is down")))
    bad = Noted(label="bad", act=fails(Unhealthy("Not healthy.")))
    with pytest.raises(LeftBroken) as raised:
        execute(plan(stage("first", {"h1": [Noted(label="1"), stuck, bad]})), sites("h1"), BENCH)
    assert raised.value.exit_code == 7
    assert any("h1" in line and "link is down" in line for line in raised.value.details)
    assert "h1 undo 1" in done


def test_what_the_engine_says_becomes_the_reason(done: list[str]) -> None:
    bad = Noted(label="bad", act=fails(APIError("500 Server Error for url", explanation="port is taken")))
    with pytest.raises(RolledBack) as raised:
        execute(plan(stage("first", {"h1": [bad]})), sites("h1"), BENCH)
    assert raised.value.why == "port is taken"


def test_a_failure_stops_the_other_hosts_of_its_batch(done: list[str]) -> None:
    waiting = Noted(label="waiting", act=lambda site: site.pause(30))
    bad = Noted(label="bad", act=fails(Unhealthy("Not healthy.")))
    with pytest.raises(RolledBack) as raised:
        execute(
            plan(stage("next", {"h1": [waiting], "h2": [bad]}), hosts=("h1", "h2")), sites("h1", "h2"), BENCH
        )
    assert raised.value.host == "h2"
    assert {"h1 undo waiting", "h2 undo bad"} <= set(done)


def test_after_the_commit_a_failure_is_a_warning(done: list[str]) -> None:
    heard: list[Event] = []
    bad = Noted(label="bad", act=fails(HostError("Could not remove.", host="h1")))
    execute(plan(stage("prune", {"h1": [bad]}, after_commit=True)), sites("h1", listener=heard.append), BENCH)
    assert [event.kind for event in heard if "in service" in event.text] == ["warning"]
    assert done == ["h1 do bad"]


def signalling(number: int) -> Callable[[Site], None]:
    """Interrupts the main thread, as the handler of a task does, and waits to be cancelled."""

    def act(site: Site) -> None:
        signal.raise_signal(number)
        site.pause(30)

    return act


@contextmanager
def heard(number: int) -> Iterator[None]:
    """With the handler of a task."""

    def interrupt(number: int, _frame: object) -> None:
        raise Interrupted(number)

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_undoes_everything_then_ends_in_its_code(done: list[str], number: int) -> None:
    with heard(number), pytest.raises(Interrupted) as raised:
        execute(
            plan(stage("first", {"h1": [Noted(label="1"), Noted(label="sig", act=signalling(number))]})),
            sites("h1"),
            BENCH,
        )
    assert raised.value.code == 128 + number
    assert [line for line in done if "undo" in line] == ["h1 undo sig", "h1 undo 1"]


def test_a_signal_after_the_commit_undoes_nothing_and_says_so(done: list[str]) -> None:
    last = Noted(label="last", act=signalling(signal.SIGTERM))
    told: list[Event] = []
    with heard(signal.SIGTERM), pytest.raises(Interrupted) as raised:
        execute(
            plan(stage("prune", {"h1": [last]}, after_commit=True)), sites("h1", listener=told.append), BENCH
        )
    assert raised.value.code == 143
    assert "in service" in raised.value.what
    assert [host.state for host in account_of(told).hosts] == ["released"]
    assert done == ["h1 do last"]


def test_a_first_signal_while_going_back_from_a_failure_does_not_end_it(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def evidence(*_: object) -> list[str]:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0.3)
        return []

    monkeypatch.setattr(go_back, "keep_evidence", evidence)
    bad = Noted(label="bad", act=fails(HostError("It failed.", host="h1")))
    with heard(signal.SIGTERM), pytest.raises(RolledBack):
        execute(plan(stage("first", {"h1": [Noted(label="1"), bad]})), sites("h1"), BENCH)
    assert done[-2:] == ["h1 undo bad", "h1 undo 1"]


def test_a_second_signal_ends_it_and_names_the_hosts_that_are_not_back(done: list[str]) -> None:
    slow = Noted(label="slow", act=signalling(signal.SIGTERM), act_back=signalling(signal.SIGTERM))
    begun = time.monotonic()
    with heard(signal.SIGTERM), pytest.raises(Interrupted) as raised:
        execute(plan(stage("first", {"h1": [Noted(label="1"), slow]})), sites("h1"), BENCH)
    assert time.monotonic() - begun < 5
    assert "not back yet: h1" in raised.value.what


def test_what_a_person_may_need_stays_on_a_host_that_could_not_go_back(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Made(Noted):
        """A step whose undo removes."""

    for table in (steps.DOING, steps.UNDOING):
        monkeypatch.setitem(table, Made, table[Noted])
    monkeypatch.setattr(steps, "STAY", (Made,))
    stuck = Noted(label="stuck", act_back=fails(Failure("The old one is not healthy.")))
    bad = Noted(label="bad", act=fails(HostError("It failed.", host="h1")))
    made = stage("prepare", {"h1": [Made(label="made")], "h2": [Made(label="made")]})
    with pytest.raises(LeftBroken) as raised:
        execute(
            plan(made, stage("first", {"h1": [stuck, bad]}), hosts=("h1", "h2")), sites("h1", "h2"), BENCH
        )
    assert "h1 undo made" not in done
    assert "h2 undo made" in done
    assert any("no engine here" in line for line in raised.value.details)


def test_a_lost_lock_stops_the_rollout_before_its_next_change(done: list[str]) -> None:
    class Lost:
        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks == 2:
                raise Failure("The lock is lost.")

    here = sites("h1")
    lost: Any = Lost()
    here["h1"].session.lock = lost
    with pytest.raises(RolledBack):
        execute(plan(stage("first", {"h1": [Noted(label="1"), Noted(label="2")]})), here, BENCH)
    assert "h1 do 2" not in done


class Away:
    """What leads to a host that does not come back."""

    def __init__(self, done: list[str]) -> None:
        self._done = done

    def __call__(self, site: Site, *_: object) -> bool:
        self._done.append(f"{site.host.name} waited for")
        raise HostError("The host did not come back within 120 s.", host=site.host.name)


@pytest.mark.fault(41)
def test_a_host_that_does_not_come_back_is_left_and_the_others_go_back(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Away(done)
    monkeypatch.setattr(go_back, "regain", lambda site, *_: site.host.name == "h2" and away(site))
    bad = Noted(label="bad", act=fails(HostError("The SSH connection broke.", host="h2")))
    todo = plan(stage("first", {"h1": [Noted(label="1")], "h2": [bad]}), hosts=("h1", "h2"))
    with pytest.raises(LeftBroken) as raised:
        execute(todo, sites("h1", "h2"), BENCH)
    assert any("h2: The host did not come back" in line for line in raised.value.details)
    assert "h1 undo 1" in done
    assert "h2 undo bad" not in done


@pytest.mark.fault(10)
def test_a_host_where_nothing_but_a_pull_was_begun_is_not_waited_for(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "HARMLESS", (Noted,))
    monkeypatch.setattr(go_back, "regain", Away(done))
    cut = HostError("The SSH connection broke.", host="h1")
    bad = Noted(label="bad", act=fails(cut), act_back=fails(cut))
    with pytest.raises(HostError, match="broke") as raised:
        execute(plan(stage("pull", {"h1": [bad]})), sites("h1"), BENCH)
    assert raised.value.exit_code == 5
    assert done == ["h1 do bad", "h1 undo bad"]


@pytest.mark.fault(41)
@pytest.mark.parametrize("begun", [True, False])
def test_what_served_is_started_before_anything_is_undone_unless_an_undo_does_so(
    done: list[str], monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    def up(*_: object, proxy: bool, old: bool) -> None:
        done.append(f"stand up: proxy {proxy}, old {old}")

    monkeypatch.setattr(go_back, "stand_up", up)
    monkeypatch.setattr(go_back, "StopOld", Noted if begun else Silent)
    bad = Noted(label="bad", act=fails(HostError("The SSH connection broke.", host="h1")))
    with pytest.raises(RolledBack):
        execute(plan(stage("first", {"h1": [bad]})), sites("h1"), BENCH)
    assert done == ["h1 do bad", f"stand up: proxy True, old {not begun}", "h1 undo bad"]
