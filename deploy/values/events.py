"""The one stream of what happens; terminal, JSON, audit and tests are its listeners."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from deploy.values.errors import Failure

Kind = Literal["started", "finished", "failed", "progress", "output", "note", "warning", "fact", "ended"]

UNSPOKEN: frozenset[Kind] = frozenset({"fact", "ended"})
"""For records only: people are told the same in words."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened.

    `started`, `finished` and `failed` frame a step; `progress` replaces the last progress of the same step;
    `output` is a line that a command printed; `note` and `warning` are said once. A `fact` is known of its
    host from now on, or of the whole task without one; `ended` is the task's end. Both say it in `data`.
    """

    kind: Kind
    text: str
    step: str = ""
    host: str = ""
    """The host's name; empty for this machine."""
    seconds: float | None = None
    """How long the step took, on `finished` and `failed`."""
    data: Mapping[str, object] = field(default_factory=dict)
    at: float = 0.0
    """Seconds since the epoch."""


Listener = Callable[[Event], None]


class Stream:
    """Hands each event to every listener, in order, from whichever thread it comes."""

    def __init__(self, *listeners: Listener, clock: Callable[[], float] = time.time) -> None:
        self._listeners = list(listeners)
        self._clock = clock
        self._lock = threading.RLock()

    def listen(self, listener: Listener) -> None:
        """Add a listener; it hears what is emitted from now on."""
        self._listeners.append(listener)

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        """Have a listener for a while."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def emit(
        self,
        kind: Kind,
        text: str,
        *,
        step: str = "",
        host: str = "",
        seconds: float | None = None,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Tell every listener."""
        event = Event(
            kind=kind,
            text=text,
            step=step,
            host=host,
            seconds=seconds,
            data=data or {},
            at=self._clock(),
        )
        with self._lock:
            for listener in tuple(self._listeners):
                listener(event)

    def note(self, text: str, *, step: str = "", host: str = "", **data: object) -> None:
        """Say something once."""
        self.emit("note", text, step=step, host=host, data=data)

    def warning(self, text: str, *, step: str = "", host: str = "", **data: object) -> None:
        """Say something that the user may want to change."""
        self.emit("warning", text, step=step, host=host, data=data)

    def progress(self, text: str, *, step: str = "", host: str = "", **data: object) -> None:
        """Replace what was last said of this step's progress."""
        self.emit("progress", text, step=step, host=host, data=data)

    def output(self, line: str, *, step: str = "", host: str = "") -> None:
        """Pass on a line that a command printed."""
        self.emit("output", line, step=step, host=host)

    def fact(self, *, host: str = "", **data: object) -> None:
        """Let it be known of a host, or of the task, to those who keep a record."""
        self.emit("fact", "", host=host, data=data)

    @contextmanager
    def step(self, name: str, text: str, *, host: str = "", **data: object) -> Iterator[None]:
        """Frame a step: `started`, then `finished`, or `failed` when an exception leaves it.

        A failure that does not say in which step it came gets the name of this one.
        """
        self.emit("started", text, step=name, host=host, data=data)
        begun = time.monotonic()

        def end(kind: Kind, said: str) -> None:
            self.emit(kind, said, step=name, host=host, seconds=time.monotonic() - begun, data=data)

        try:
            yield
        except BaseException as error:
            end("failed", f"{text}: {error}")
            if isinstance(error, Failure):
                error.step = error.step or name
            raise
        end("finished", text)
