"""The stream of events as JSON lines, for programs and for looking back."""

import json
import os
from pathlib import Path

from deploy.output.mask import Mask
from deploy.values.events import Event

LIMIT = 5_000_000
"""Bytes. A log of this size is set aside as `<name>.1` by the next run."""


class EventsLog:
    """Appends one masked JSON object a line; several processes may share the file.

    Args:
        path: the file, its directory made when missing; readable by its owner only.
        mask: hides the secrets.
    """

    def __init__(self, path: Path, mask: Mask) -> None:
        self._path = path
        self._mask = mask
        self._file: int | None = None
        self._lost = False

    def __call__(self, event: Event) -> None:
        """Write the event; a disk that is full or read-only ends the log, not the work."""
        if self._lost:
            return
        record = {
            "at": round(event.at, 3),
            "pid": os.getpid(),
            "kind": event.kind,
            "host": event.host,
            "step": event.step,
            "text": event.text,
            "seconds": event.seconds,
            "data": dict(event.data),
        }
        # ASCII only: every control character arrives escaped. One write: lines of two processes never mix.
        line = json.dumps(self._mask.data(record)) + "\n"
        try:
            if self._file is None:
                self._file = self._open()
            os.write(self._file, line.encode())
        except OSError:
            self._lost = True

    def close(self) -> None:
        """Close the file; nothing is buffered, so that leaving it open loses nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size >= LIMIT:
            self._path.replace(self._path.with_name(self._path.name + ".1"))
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
