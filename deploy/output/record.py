"""What a task did, kept for programs: gathered from the stream, written when the task has ended."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deploy.files import write_atomically
from deploy.output.mask import Mask
from deploy.values.account import Account, Ending, account_of
from deploy.values.events import Event
from deploy.values.moments import moment

RESULT = Path("build", "result.json")
FORMAT = 1
RELEASING = ("deploy", "rollback", "repair")
"""The tasks that leave a result and a report of tests."""
_KEPT = {"started", "finished", "failed", "warning", "fact"}

Writer = Callable[[Account], None]


class Recorder:
    """A listener that remembers what matters, and hands it to its writers when the task has ended."""

    def __init__(self, *writers: Writer) -> None:
        self._writers = writers
        self._events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Remember the event; at the end, write."""
        if event.kind in _KEPT:
            self._events.append(event)
        if event.kind == "ended":
            ending = Ending(**event.data)  # type: ignore[arg-type]  # whoever tells it made it of an Ending
            self._write(account_of([*self._events, event], ending))

    def _write(self, account: Account) -> None:
        """Give it to every writer, also when one of them cannot write."""
        refused: OSError | None = None
        for write in self._writers:
            try:
                write(account)
            except OSError as error:
                refused = error
        if refused:
            raise refused

    def account(self) -> Account:
        """What is known so far."""
        return account_of(self._events)


def report_of(root: Path, task: str) -> Path:
    """Where a task's report of tests lies."""
    return root / "build" / f"junit-{task}.xml"


def forget(root: Path, task: str) -> None:
    """Remove what an earlier task left, so that nobody takes it for this one's should it be killed."""
    if task in RELEASING:
        for path in (root / RESULT, *(report_of(root, each) for each in RELEASING)):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def result_writer(root: Path, mask: Mask) -> Writer:
    """Writes `build/result.json` for a task that releases."""

    def write(account: Account) -> None:
        if account.fact("task") in RELEASING:
            text = json.dumps(mask.data(as_data(account)), indent=2)
            write_atomically(root / RESULT, text + "\n")

    return write


def as_data(account: Account) -> dict[str, object]:
    """The content of `build/result.json`."""
    ending = account.ending or Ending(exit_code=1)
    failure = {
        "what": ending.what,
        "why": ending.why,
        "host": ending.host,
        "step": ending.step,
        "advice": ending.advice,
        "details": list(ending.details),
    }
    known = ("task", "app", "profile", "release", "release_id", "digest", "commit", "by", "job")
    return {
        "format": FORMAT,
        **{name: account.fact(name) for name in known},
        "began_at": moment(account.began),
        "ended_at": moment(account.ended),
        "seconds": round(account.ended - account.began, 3),
        "exit_code": ending.exit_code,
        "result": ending.result,
        "failure": failure if ending.what else None,
        "warnings": list(account.warnings),
        "steps": {phase.name: round(phase.seconds, 3) for phase in account.here},
        "hosts": [
            {
                "host": host.host,
                "state": host.state,
                "was": host.was,
                "now": host.now,
                "url": host.url,
                "strategy": host.strategy,
                "seconds": {phase.name: round(phase.seconds, 3) for phase in host.phases},
            }
            for host in account.hosts
        ],
    }
