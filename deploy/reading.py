"""The task `logs`: its options, and how a line is shown."""

import json
import re
import signal
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deploy.command import Run, option
from deploy.pipeline import ready_settings
from deploy.values.errors import Interrupted
from deploy.values.settings import Settings
from deploy.values.sizes import whole_number

if TYPE_CHECKING:
    from deploy.rollout.logs import Line

_AGO = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """The options of `logs`, as they were typed."""

    host: str = ""
    lines: str = "100"
    since: str = ""
    follow: bool = False
    json: bool = False


def logs(run: Run, settings: Settings, wish: LogOptions) -> None:
    """Print the application's log; Ctrl-C is how following is meant to end, and no failure."""
    from deploy.rollout import logs as reading

    wanted = reading.Wanted(
        app=settings.app_name,
        lines=option("--lines", wish.lines, whole_number(0, 1_000_000)),
        since=option("--since", wish.since, lambda text: moment(text, time.time())) if wish.since else None,
    )

    def tell(line: "Line") -> None:
        run.show(json.dumps(asdict(line)) if wish.json else f"{line.host} {line.stamp} {line.text}")

    inventory = ready_settings(run, settings).inventory()
    if not wish.follow:
        reading.logs(wanted, inventory, host=wish.host, tell=tell)
        return
    try:
        reading.follow(wanted, inventory, run.stream, host=wish.host, tell=tell)
    except Interrupted as interrupted:
        if interrupted.signal_number != signal.SIGINT:
            raise


def moment(text: str, now: float) -> float:
    """Seconds since the epoch, of a moment in ISO 8601 (without a zone: UTC), or of so long ago as `10m`.

    Raises:
        ValueError: it is neither.
    """
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * _SECONDS[ago[2]]
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("use 90s, 10m, 2h, 1d, or a moment as 2026-01-31T12:00:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
