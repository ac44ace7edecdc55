"""What a task came to, gathered from the events on its stream. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from deploy.values.errors import Failure, exit_code, outcome
from deploy.values.events import Event

State = Literal["untouched", "begun", "released", "unchanged", "back", "broken", "paused", "left out"]
"""How a rollout leaves a host: on the new release; as it was, because nothing was to do; back on what it ran
before; not brought back; as the failure left it, as was asked for; not answering. `begun` is where it stood
when the rollout ended without having seen to it."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of the work on one host."""

    name: str
    seconds: float
    failed: str = ""
    """What was said of its failure; empty when all its steps ended well."""


@dataclass(frozen=True, kw_only=True)
class HostAccount:
    """What a task came to on one host."""

    host: str
    state: State
    was: str = ""
    """The tag that served before; empty when none did, or when it was not asked yet."""
    now: str = ""
    """The tag that serves; empty when none does, or when that is not known."""
    url: str = ""
    strategy: str = ""
    phases: tuple[Phase, ...] = ()

    @property
    def touched(self) -> bool:
        """Whether anything was begun there."""
        return bool(self.phases) or self.state == "begun"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a task ended."""

    exit_code: int
    what: str = ""
    why: str = ""
    host: str = ""
    step: str = ""
    advice: str = ""
    details: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The exit code in a few words."""
        return outcome(self.exit_code)


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a task came to."""

    facts: Mapping[str, object] = field(default_factory=dict)
    """What was told of the task: task, app, profile, release, digest and the like."""
    hosts: tuple[HostAccount, ...] = ()
    here: tuple[Phase, ...] = ()
    """The steps on this machine, and those of all hosts together."""
    phases: Mapping[str, str] = field(default_factory=dict)
    """The phase of each step that was seen."""
    warnings: tuple[str, ...] = ()
    began: float = 0
    """Seconds since the epoch."""
    ended: float = 0
    ending: Ending | None = None
    """None while it runs."""

    def fact(self, name: str) -> str:
        """A fact as text; empty when it was not told."""
        return str(self.facts.get(name, ""))


def ending_of(error: BaseException | None) -> Ending:
    """How a task ends that an error leaves, or none."""
    if error is None:
        return Ending(exit_code=0)
    if not isinstance(error, Failure):
        return Ending(exit_code=1, what=f"{type(error).__name__}: {error}")
    return Ending(
        exit_code=exit_code(error),
        what=error.what,
        why=error.why,
        host=error.host,
        step=error.step,
        advice=error.advice,
        details=error.details,
    )


def account_of(events: Sequence[Event], ending: Ending | None = None) -> Account:
    """Gather what was told.

    Args:
        events: of one task, in order.
        ending: how it ended.
    """
    steps = [event for event in events if event.kind in {"started", "finished", "failed"}]
    facts: dict[str, object] = {}
    for event in events:
        if event.kind == "fact" and not event.host:
            facts |= event.data
    return Account(
        facts=facts,
        hosts=tuple(_host(name, events, steps) for name in _names(events)),
        here=_phases(event for event in steps if not event.host),
        phases={event.step: _phase_of(event) for event in steps},
        warnings=tuple(
            " ".join(filter(None, (event.host, event.step, event.text)))
            for event in events
            if event.kind == "warning"
        ),
        began=events[0].at if events else 0,
        ended=events[-1].at if events else 0,
        ending=ending,
    )


def _names(events: Iterable[Event]) -> list[str]:
    """Every host that a fact was told of, in that order."""
    return list(dict.fromkeys(event.host for event in events if event.kind == "fact" and event.host))


def _host(name: str, events: Iterable[Event], steps: Iterable[Event]) -> HostAccount:
    told: dict[str, str] = {}
    for event in events:
        if event.host == name and event.kind == "fact":
            told |= {key: str(value) for key, value in event.data.items()}
        elif event.host == name and event.kind == "started" and "phase" in event.data:
            told["state"] = "begun"
    known = {key: told[key] for key in ("was", "now", "url", "strategy") if key in told}
    state: State = told.get("state", "untouched")  # type: ignore[assignment]  # whoever tells it uses State
    return HostAccount(
        host=name,
        state=state,
        phases=_phases(event for event in steps if event.host == name and "phase" in event.data),
        **known,
    )


def _phases(steps: Iterable[Event]) -> tuple[Phase, ...]:
    """In the order they were begun; what was begun and did not end counts as failed."""
    seconds: dict[str, float] = {}
    open_: dict[str, int] = {}
    failed: dict[str, str] = {}
    for event in steps:
        name = _phase_of(event)
        seconds[name] = seconds.get(name, 0.0) + (event.seconds or 0.0)
        open_[name] = open_.get(name, 0) + (1 if event.kind == "started" else -1)
        if event.kind == "failed":
            failed.setdefault(name, event.text)
    return tuple(
        Phase(name=name, seconds=took, failed=failed.get(name, "did not end" if open_[name] > 0 else ""))
        for name, took in seconds.items()
    )


def _phase_of(step: Event) -> str:
    return str(step.data.get("phase", step.step))
