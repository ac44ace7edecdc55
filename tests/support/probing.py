"""Starting the prober beside a test, and reading what it found."""

import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from deploy.values.inventory import Host
from tests.support.sandbox import ROOT

SETTLE = 20.0
"""Seconds that the prober gets to end after it was told to."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request and what came of it."""

    due: float
    """Seconds since the epoch."""
    seconds: float
    """From when it was due until it was answered or lost."""
    target: int
    kind: str
    came: str
    """The version that answered, or why it was lost."""

    @property
    def lost(self) -> bool:
        """Whether a user would have seen it fail."""
        return self.came.startswith("lost:")


@dataclass(frozen=True, kw_only=True)
class Span:
    """A time during which something went on."""

    begin: float
    end: float

    def holds(self, moment: float) -> bool:
        """Whether a moment is in it."""
        return self.begin <= moment <= self.end


@dataclass
class Probe:
    """A prober at work, then its requests in the order they were due."""

    process: "subprocess.Popen[bytes]"
    file: Path
    begun: float
    """Seconds since the epoch."""
    requests: list[Request] = field(default_factory=list)

    def stop(self) -> None:
        """End it and read what it found."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(timeout=SETTLE)
        assert code == 0, f"the prober ended with {code}"
        self.requests = read(self.file)

    @property
    def lost(self) -> list[Request]:
        """Those that failed."""
        return [request for request in self.requests if request.lost]

    def versions(self) -> list[str]:
        """The versions that answered, in the order they were first seen."""
        return list(dict.fromkeys(request.came for request in self.requests if not request.lost))


def read(file: Path) -> list[Request]:
    """Read a prober's file."""
    requests = []
    for line in file.read_text(encoding="utf-8").splitlines():
        due, seconds, target, kind, came = line.split("\t")
        requests.append(
            Request(due=float(due), seconds=float(seconds), target=int(target), kind=kind, came=came)
        )
    return sorted(requests, key=lambda request: request.due)


@contextmanager
def probing(
    hosts: Sequence[Host], folder: Path, *, rate: float = 200, seconds: float = 120
) -> Iterator[Probe]:
    """Probe hosts for as long as the block lasts, and read what was found at its end."""
    file = folder / f"requests-{time.time_ns()}.tsv"
    argv = [sys.executable, "-m", "tests.support.prober", f"--rate={rate:g}", f"--seconds={seconds:g}"]
    process = subprocess.Popen(
        [*argv, f"--out={file}", *(host.url for host in hosts)], cwd=ROOT, stdin=subprocess.PIPE
    )
    probe = Probe(process=process, file=file, begun=time.time())
    try:
        yield probe
        probe.stop()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that this part of all values does not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def longest_gap(requests: Sequence[Request], target: int) -> float:
    """Seconds between the last answered request before an outage of a target and the first after it.

    By when they were due, since a lost one costs its user no less for being told late.
    """
    answered = [request.due for request in requests if request.target == target and not request.lost]
    return max((after - before for before, after in pairwise(answered)), default=0.0)


def told(requests: Sequence[Request], most: int = 10) -> str:
    """The first lost requests, for an assertion's message."""
    lost = [request for request in requests if request.lost]
    lines = [
        f"{request.due:.3f} host-{request.target + 1} {request.kind}: {request.came}" for request in lost
    ]
    return "\n".join([f"{len(lost)} of {len(requests)} requests lost", *lines[:most]])
