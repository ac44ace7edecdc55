"""Run a command of the user's: its output line by line, and nothing of it left behind."""

import codecs
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from deploy.values.keys import PREFIX, is_secret

TURN = 0.2
"""Seconds."""


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a command that runs here: this process's own, without Jarship's secrets.

    Nothing is decided by it: settings come in through `deploy.profiles` only.
    """
    kept = {name: value for name, value in os.environ.items() if not _is_secret(name)}
    return kept | dict(changes or {})


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    line: Callable[[str], None],
    turn: Callable[[], None] = lambda: None,
    wait: float = 1.0,
    patience: float = 5.0,
    inherit: Sequence[int] = (),
) -> int:
    """Run a command and hand on what it prints, stdout and stderr together; return its exit code.

    The command gets no input and a session of its own, so that it has no terminal to ask at. When it has
    ended, and when anything is raised here meanwhile, whatever is left of its process group is ended.

    Args:
        argv: the command and its arguments.
        cwd: where it runs.
        env: its whole environment.
        line: called with every line, decoded as UTF-8, without its end.
        turn: called several times a second; what it raises ends the command, and is raised here.
        wait: seconds to wait for the end of the output when the command has ended, but something that it
            left running holds its output open.
        patience: seconds between asking the process group to end and ending it.
        inherit: descriptors of open files that the command gets too.

    Returns:
        The exit code; the signal's number, negative, when a signal ended the command.

    Raises:
        OSError: the command cannot be started.
    """
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=tuple(inherit),
    )
    try:
        for text in _lines(process, wait, turn):
            line(text)
        while not _has_ended(process):  # it closed its output and goes on
            turn()
            time.sleep(TURN)
    finally:
        _end(process, patience)
    return process.returncode


def _is_secret(name: str) -> bool:
    return name.startswith(PREFIX) and is_secret(name.removeprefix(PREFIX))


def _lines(process: "subprocess.Popen[bytes]", wait: float, turn: Callable[[], None]) -> Iterator[str]:
    """Every line as it comes, until the end of the output, or `wait` seconds after the command's own end."""
    output = _output(process)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    end: float | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while end is None or time.monotonic() < end:
            ready = selector.select(min(wait, TURN))
            turn()
            if end is None and _has_ended(process):
                end = time.monotonic() + wait
            if not ready:
                continue
            chunk = os.read(output.fileno(), 65536)
            *complete, rest = (rest + decoder.decode(chunk, final=not chunk)).split("\n")
            yield from (text.removesuffix("\r") for text in complete)
            if not chunk:
                break
    if rest:
        yield rest


def _output(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    if process.stdout is None:
        raise ValueError("a command without a pipe for its output")
    return process.stdout


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    # Not reaped yet: as long as the zombie is there, its process group's number is nobody else's.
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """Ask the group to end, and end it when `patience` seconds are over or somebody interrupts again."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while _group_runs(process) and time.monotonic() < deadline:
            time.sleep(0.03)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _output(process).close()
        process.wait()


def _group_runs(process: "subprocess.Popen[bytes]") -> bool:
    process.poll()  # a zombie counts as a member until it is reaped
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    # Orphans are reaped by the machine's first process, late or, in many containers, never.
    states = [state for group, state in _processes() if group == process.pid]
    return not states or any(state not in "ZX" for state in states)


def _processes() -> Iterator[tuple[int, str]]:
    """Process group and state of every process (proc(5)); nothing where there is no /proc."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, _parent, group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
            yield int(group), state
