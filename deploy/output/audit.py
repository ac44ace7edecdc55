"""Who did what, when, from where, and what came of it: a line a task, here and on every host it touched."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from deploy.output.mask import Mask
from deploy.output.record import Writer
from deploy.values.account import Account, Ending
from deploy.values.moments import moment

AUDIT = Path("build", "audit.jsonl")
LONGEST = 500
"""Characters of each field."""


def audit_writer(root: Path, mask: Mask) -> Writer:
    """Appends to `build/audit.jsonl`, whichever task it was; readable by its owner only."""

    def write(account: Account) -> None:
        path = root / AUDIT
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # One write: the lines of two processes never mix.
            os.write(file, audit_line(account, mask).encode())
        finally:
            os.close(file)

    return write


def audit_line(account: Account, mask: Callable[[str], str], *, host: str = "") -> str:
    """The line for a task.

    One JSON object of ASCII characters: a line break or a terminal's control sequence that somebody brought
    into a name arrives escaped, and so makes no line of its own.

    Args:
        account: what the task came to.
        mask: hides the secrets.
        host: the host that the line is for; empty for this machine, whose line names every touched host.
    """
    ending = account.ending or Ending(exit_code=1)
    who, _, machine = account.fact("by").partition("@")
    told: dict[str, object] = {
        "when": moment(account.ended),
        "task": account.fact("task"),
        "options": account.fact("options"),
        "app": account.fact("app"),
        "profile": account.fact("profile"),
        "who": who,
        "from": machine,
        "job": account.fact("job"),
        "what": account.fact("what") or account.fact("release") or account.fact("commit"),
        "release_id": account.fact("release_id"),
        "digest": account.fact("digest"),
        "exit_code": ending.exit_code,
        "result": ending.result,
        "error": ending.what,
        "seconds": round(account.ended - account.began, 1),
    }
    states = {each.host: each.state for each in account.hosts if each.touched and host in {"", each.host}}
    told |= {"host": host, "state": states.get(host, "")} if host else {"hosts": states}
    return json.dumps(_short(told, mask)) + "\n"


def _short(value: object, mask: Callable[[str], str]) -> object:
    if isinstance(value, dict):
        return {mask(str(key))[:LONGEST]: _short(item, mask) for key, item in value.items()}
    return mask(value)[:LONGEST] if isinstance(value, str) else value
