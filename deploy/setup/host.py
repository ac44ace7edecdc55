"""Bring a machine what it lacks for releases, by commands that are told before they run."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from deploy.hosts.connection import Connection, Result
from deploy.setup.trust import Seen, lack
from deploy.setup.wants import Command, Machine, Wish, commands, read
from deploy.values.errors import BuildError, Failure, HostError, InputError
from deploy.values.events import Stream

STEP = "setup"
_LOOK = Path(__file__).with_name("look.sh")
_LOOK_SECONDS = 60
_COMMAND_SECONDS = 900
"""An engine on a slow line takes minutes to download."""
_SETTLE_SECONDS = 30.0
"""For an engine to start, or to read its configuration again."""


class Place(Protocol):
    """Where commands run: a host, or this machine."""

    name: str
    """Empty for this machine."""

    def run(self, script: str, *, args: Sequence[str] = (), stdin: str = "", timeout: float = 30) -> Result:
        """Run a bash script."""


class Host:
    """A host, by its connection."""

    def __init__(self, connection: Connection) -> None:
        self.name = connection.host.name
        self.run = connection.run


class ThisMachine:
    """The machine that builds and pushes."""

    name = ""

    def run(self, script: str, *, args: Sequence[str] = (), stdin: str = "", timeout: float = 30) -> Result:
        """Run a bash script; raises BuildError when it does not end in time."""
        try:
            done = subprocess.run(
                ["bash", "-c", script, "bash", *args],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BuildError(f"A command did not end within {timeout:g} s.", step=STEP) from error
        return Result(code=done.returncode, out=done.stdout, err=done.stderr)


def look(place: Place, wish: Wish) -> Machine:
    """See what a machine has; changes nothing.

    Raises:
        HostError: it cannot be asked.
    """
    paths = [directory.path for directory in wish.directories]
    said = place.run(_LOOK.read_text(), args=[wish.trust.ca_file, *paths], timeout=_LOOK_SECONDS)
    try:
        return read(said.out)
    except ValueError as error:
        raise HostError(
            "The machine cannot be asked what it has.",
            why=said.err.strip() or str(error),
            host=place.name,
            step=STEP,
        ) from error


def set_up(place: Place, wish: Wish, stream: Stream) -> tuple[str, ...]:
    """Bring a machine what it lacks; does nothing on one that lacks nothing.

    Returns:
        What was done, such as `install docker.io`.

    Raises:
        InputError: it cannot be set up from here; says what to do instead.
        HostError: this user may not change it (names the commands to paste), a command failed, or the engine
            did not take what was written, which is put back then.
    """
    machine = look(place, wish)
    todo = _todo(place, wish, machine)
    if todo and machine.root == "no":
        raise _not_allowed(place, machine, todo)
    for command in todo:
        if command.reloads:
            _await_engine(place, wish)
        _run(place, machine, command, stream)
    _settle(place, wish, todo, stream)
    return tuple(command.does for command in todo)


def _todo(place: Place, wish: Wish, machine: Machine) -> tuple[Command, ...]:
    try:
        return commands(wish, machine)
    except InputError as error:
        error.host, error.step = place.name, STEP
        raise


def _run(place: Place, machine: Machine, command: Command, stream: Stream) -> None:
    root = ["sudo", "-n"] if machine.root == "sudo" else []
    stream.note(f"+ {' '.join([*root, command.line])}", step=STEP, host=place.name)
    # Nothing of what a command reads is in its arguments: daemon.json may hold a proxy's password.
    script = f'exec {" ".join([*root, "sh", "-c"])} "$1"'
    done = place.run(script, args=[command.text], stdin=command.stdin, timeout=_COMMAND_SECONDS)
    lines = [line for line in (done.out + done.err).splitlines() if line.strip()]
    for line in lines:
        stream.output(line, step=STEP, host=place.name)
    if done.code:
        raise HostError(
            f"Could not {command.does}: the command ended with exit code {done.code}.",
            details=lines[-20:],
            advice=f"Mend what it says, then run this again; by hand it is: {command.pasted}",
            host=place.name,
            step=STEP,
        )


def _await_engine(place: Place, wish: Wish) -> None:
    _look_until(place, wish, lambda machine: "" if machine.registry_config else "Docker does not answer")


def _settle(place: Place, wish: Wish, done: Sequence[Command], stream: Stream) -> None:
    """Wait until a look says that nothing is missing; an engine reads its configuration in its own time."""
    if not done:
        return
    try:
        _look_until(place, wish, lambda machine: _missing(place, wish, machine))
    except HostError:
        machine = look(place, wish)
        for command in reversed(done):
            if command.undo:
                _run(place, machine, command.undo, stream)
        raise


def _look_until(place: Place, wish: Wish, missing: Callable[[Machine], str]) -> None:
    """Look again and again until nothing is missing.

    Raises:
        HostError: something still was in the end.
    """
    deadline = time.monotonic() + _SETTLE_SECONDS
    while said := missing(look(place, wish)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.3)
    else:
        return
    raise HostError(
        "The machine still lacks something after all was done.",
        why=said,
        advice="Look at what its engine says: sudo journalctl -u docker -n 50",
        host=place.name,
        step=STEP,
    )


def _missing(place: Place, wish: Wish, machine: Machine) -> str:
    left = _todo(place, wish, machine)
    if left:
        return f"it would still {left[0].does}"
    seen = Seen(registry_config=machine.registry_config or {}, ca=machine.authority)
    return lack(wish.trust, seen)


def _not_allowed(place: Place, machine: Machine, todo: Sequence[Command]) -> Failure:
    lines = "\n".join(command.pasted for command in todo)
    return HostError(
        f"{machine.user} may not set this up: it is neither root nor may it use sudo without a password.",
        why=f"missing: {', '.join(command.does for command in todo)}",
        advice=lines,
        host=place.name,
        step=STEP,
    )
