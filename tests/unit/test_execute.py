import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from docker.errors import APIError

from deploy.rollout import go_back, steps
from deploy.rollout.execute import execute
from deploy.rollout.health import Unhealthy
from deploy.rollout.site import Bench, Site
from deploy.values.errors import Failure, HostError, Interrupted, LeftBroken, RolledBack
from deploy.values.events import Event, Stream
from deploy.values.inventory import Host
from deploy.values.plan import HostPlan, Plan, Stage, Work
from deploy.values.steps import Step
from tests.support.fleet import a_release


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
    nothing: Any = None
    lock: Any = Lock()
    return {
        name: Site(
            host=Host(name=name, address=name),
            connection=nothing,
            client=nothing,
            lock=lock,
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_undoes_everything_then_ends_in_its_code(done: list[str], number: int) -> None:
    def interrupt(number: int, _frame: object) -> None:
        raise Interrupted(number)

    before = signal.signal(number, interrupt)
    try:
        with pytest.raises(Interrupted) as raised:
            execute(
                plan(stage("first", {"h1": [Noted(label="1"), Noted(label="sig", act=signalling(number))]})),
                sites("h1"),
                BENCH,
            )
    finally:
        signal.signal(number, before)
    assert raised.value.code == 128 + number
    assert [line for line in done if "undo" in line] == ["h1 undo sig", "h1 undo 1"]


def test_a_lost_lock_stops_the_rollout_before_its_next_change(done: list[str]) -> None:
    class Lost:
        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks == 2:
                raise Failure("The lock is lost.")

    here = sites("h1")
    lost: Any = Lost()
    object.__setattr__(here["h1"], "lock", lost)
    with pytest.raises(RolledBack):
        execute(plan(stage("first", {"h1": [Noted(label="1"), Noted(label="2")]})), here, BENCH)
    assert "h1 do 2" not in done
