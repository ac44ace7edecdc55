"""A rollout as a process of its own that is held at a step, and what another process does to it there."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.values.build import Build
from deploy.values.inventory import Host
from tests.support.rollouts import Releases, own_environment
from tests.support.sandbox import ROOT

PATIENCE = 90
"""Seconds for a step to be reached, or for an ended one to put everything back."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A process that stands still."""

    process: "subprocess.Popen[str]"
    line: socket.socket

    def kill(self) -> None:
        """End it as a crash or a cut power does."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)

    def go_on(self) -> None:
        """Let it go on."""
        self.line.close()

    def interrupt(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal, from another process, and let it end; its exit code and what it said."""
        subprocess.run(["kill", f"-{number:d}", str(self.process.pid)], check=True)
        self.go_on()
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said

    def end(self) -> tuple[int, str]:
        """Let it go on to its end; its exit code and what it said."""
        self.go_on()
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said


@contextmanager
def held_at(
    releases: Releases,
    build: Build,
    step: str,
    *,
    kind: str = "started",
    host: str = "",
    only: tuple[Host, ...] = (),
    words: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Held]:
    """`deploy --build` that stands still at a step.

    Args:
        releases: where to.
        build: what.
        step: the name of the step.
        kind: of the event: at its beginning or its end.
        host: as the process names it; any when empty.
        only: the hosts; all when empty.
        words: another task with its options.
        settings: that are not as `Releases.environ` has them.
    """
    task = words or ("deploy", f"--build={releases.build_file(build)}")
    hosts = releases.sandbox.hosts_setting(only or releases.hosts)
    ours, theirs = socket.socketpair()
    argv = ["-m", "tests.support.hold_at", str(theirs.fileno()), kind, step, host, *task]
    process = subprocess.Popen(
        [sys.executable, *argv],
        cwd=releases.root,
        env={
            **own_environment(),
            "PYTHONPATH": str(ROOT),
            **releases.environ(HOSTS=hosts, **(settings or {})),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(theirs.fileno(),),
        start_new_session=True,
    )
    theirs.close()
    try:
        _await(process, ours, step)
        yield Held(process=process, line=ours)
    finally:
        ours.close()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _await(process: "subprocess.Popen[str]", line: socket.socket, step: str) -> None:
    line.settimeout(PATIENCE)
    begun = time.monotonic()
    try:
        said = line.recv(200)
    except TimeoutError:
        said = b""
    if not said:
        process.kill()
        _, errors = process.communicate()
        raise AssertionError(f"no step {step!r} within {time.monotonic() - begun:.0f} s:\n{errors}")
