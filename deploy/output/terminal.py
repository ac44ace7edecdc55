"""What a person at a terminal, or reading a CI log, sees of the stream of events; on stderr."""

import os
import time
from collections.abc import Mapping
from typing import TextIO

from deploy.output.clean import safe, safe_lines
from deploy.output.mask import Mask
from deploy.values.events import UNSPOKEN, Event, Listener

EVERY = 5.0
"""Seconds between two `progress` lines of one step in a log."""


def listener(stream: TextIO, mask: Mask, *, environ: Mapping[str, str] = os.environ) -> Listener:
    """The listener that suits a stream: in place on a capable terminal, else plain stamped lines.

    NO_COLOR (any value but empty) keeps the display and drops the colours; TERM=dumb gives plain lines.
    """
    try:
        capable = stream.isatty() and environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    except ValueError:  # closed
        capable = False
    if not capable:
        return Plain(stream, mask)
    from deploy.output.live import Live

    return Live(stream, mask, colour=not environ.get("NO_COLOR"))


class Plain:
    """One stamped line an event: `15:04:05 host step text 1.2s`, local time, without colour.

    `progress` comes at most every `EVERY` seconds a step, the first time so long after the step began. A line
    that a command printed follows a bar, so that it cannot pass for one of ours. When nobody reads the stream
    any more the listener goes silent: a lost terminal is no reason to stop a rollout half-way.
    """

    def __init__(self, stream: TextIO, mask: Mask) -> None:
        self._stream = stream
        self._mask = mask
        self._told: dict[tuple[str, str], float] = {}
        self._lost = False

    def __call__(self, event: Event) -> None:
        """Write the event's lines."""
        if self._lost or event.kind in UNSPOKEN or not self._is_due(event):
            return
        stamp = time.strftime("%H:%M:%S", time.localtime(event.at))
        for line in lines(event, self._mask):
            self._write(f"{stamp} {line}\n")

    def _is_due(self, event: Event) -> bool:
        key = (event.host, event.step)
        if event.kind == "started":
            self._told[key] = event.at
        if event.kind in ("finished", "failed"):
            self._told.pop(key, None)
        if event.kind != "progress":
            return True
        if 0 <= event.at - self._told.get(key, event.at - EVERY) < EVERY:
            return False
        self._told[key] = event.at
        return True

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            self._lost = True


def lines(event: Event, mask: Mask) -> list[str]:
    """An event as plain lines without a stamp: masked, free of control characters."""
    where = " ".join(safe(part, mask) for part in (event.host, event.step) if part)
    mark = {"output": "|", "warning": "warning:", "failed": "FAILED:"}.get(event.kind, "")
    took = f"{event.seconds:.1f}s" if event.seconds is not None else ""
    done = "done" if event.kind == "finished" else ""
    texts = safe_lines(event.text, mask)
    texts[-1] = " ".join(part for part in (texts[-1], done, took) if part)
    return [" ".join(part for part in (where, mark, text) if part) for text in texts]
