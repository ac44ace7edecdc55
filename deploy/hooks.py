"""Hooks: the team's executables under `hooks/`, run at fixed moments with the facts in their environment."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy import child
from deploy.values.account import Account
from deploy.values.errors import HostError, LeftDifferent
from deploy.values.events import Stream

FOLDER = "hooks"
TIMEOUT = 300.0
"""Seconds that a hook has."""
STEP = "hook"
LAST_LINES = 10
"""How many lines of a failed hook's output its failure quotes."""


BEFORE, AFTER, FAILED = "pre-deploy", "post-deploy", "failed"
"""What is run around a deploy, a rollback and a repair."""


class HookFailed(HostError):
    """A hook could not be run, said no, or did not end in time."""


def facts_of(account: Account, mask: Callable[[str], str]) -> dict[str, str]:
    """The environment that tells a hook what is known so far; masked, as an error may quote anything."""
    told = {
        **{key: account.fact(key) for key in ("task", "app", "profile", "release", "digest", "commit", "by")},
        "was": next((host.was for host in account.hosts if host.was), ""),
        "hosts": ",".join(host.host for host in account.hosts),
    }
    if ending := account.ending:
        error = f"{ending.what} {ending.why}".strip()
        told |= {"exit_code": str(ending.exit_code), "result": ending.result, "error": error}
        told |= {"error_host": ending.host, "error_step": ending.step}
    return {f"HOOK_{name.upper()}": mask(text) for name, text in told.items()}


def hook_after(account: Account, error: BaseException | None) -> str:
    """Which hook follows a task that ended so; none when there was nothing to do."""
    released = any(host.state == "released" for host in account.hosts)
    if released and (error is None or isinstance(error, LeftDifferent)):
        return AFTER
    return "" if error is None else FAILED


def run_hook(
    name: str,
    facts: Mapping[str, str],
    *,
    root: Path,
    stream: Stream,
    host: str = "",
    timeout: float = TIMEOUT,
    turn: Callable[[], None] = lambda: None,
) -> bool:
    """Run `hooks/NAME`, if there is one, and wait for its end.

    It runs in `root`, gets no input, and has this process's environment without Jarship's secrets, the facts
    added. What it prints goes to the stream. Nothing of it is left when this returns or raises.

    Args:
        name: such as `pre-deploy`.
        facts: added to its environment; must hold no secret.
        root: the directory that `hooks/` is in.
        stream: hears what it prints.
        host: the host it is run for; empty when it is for all.
        timeout: seconds.
        turn: called several times a second; what it raises ends the hook, and is raised here.

    Returns:
        Whether there is such a hook.

    Raises:
        HookFailed: its exit code is not 0, it cannot be started, or it did not end in time.
    """
    path = root / FOLDER / name
    if not path.exists():
        return False
    lines: list[str] = []

    def line(text: str) -> None:
        lines.append(text)
        del lines[:-LAST_LINES]
        stream.output(text, step=STEP, host=host)

    try:
        with stream.step(STEP, f"{FOLDER}/{name}", host=host):
            code = _run(path, facts, root, line, _bounded(turn, path, timeout))
            if code:
                raise HookFailed(f"The hook {FOLDER}/{name} {_ended(code)}.")
    except HookFailed as failed:
        failed.host, failed.step, failed.details = host, STEP, tuple(lines)
        raise
    return True


def _run(
    path: Path, facts: Mapping[str, str], root: Path, line: Callable[[str], None], turn: Callable[[], None]
) -> int:
    shown = f"{FOLDER}/{path.name}"
    if not os.access(path, os.X_OK) or not path.is_file():
        raise HookFailed(
            f"The hook {shown} is not an executable file.", advice=f"chmod +x {shown}, or remove it."
        )
    env = child.environment({key: value.replace("\0", "") for key, value in facts.items()})
    try:
        return child.run([str(path.absolute())], cwd=root, env=env, line=line, turn=turn)
    except OSError as error:
        raise HookFailed(
            f"The hook {shown} cannot be started.",
            why=str(error.strerror),
            advice="Begin a script with #! and its interpreter, as #!/bin/sh.",
        ) from error


def _bounded(turn: Callable[[], None], path: Path, timeout: float) -> Callable[[], None]:
    deadline = time.monotonic() + timeout

    def bounded() -> None:
        turn()
        if time.monotonic() > deadline:
            raise HookFailed(f"The hook {FOLDER}/{path.name} did not end within {timeout:g} s.")

    return bounded


def _ended(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
