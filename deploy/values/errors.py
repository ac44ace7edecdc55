"""Every failure a user can meet: what, where, why, what to do, and the exit code it ends in."""

import signal
from collections.abc import Sequence
from typing import ClassVar

PENDING = 8
"""What `plan` ends with when there is something to do; no failure, but not 0 either."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a task early: Ctrl-C, an aborted CI job, a terminal that was closed."""


class Failure(Exception):
    """An expected failure, told without a traceback.

    Args:
        what: one sentence that says what failed.
        why: the cause as far as it is known; quotes the failing part's own words.
        advice: what to do next; a command to paste when there is one.
        host: the host it happened on; empty for this machine.
        step: the step it happened in, as the stream of events names it.
        details: further lines, such as the end of a log.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        advice: str = "",
        host: str = "",
        step: str = "",
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.advice = advice
        self.host = host
        self.step = step
        self.details = tuple(details)


class InputError(Failure):
    """Settings, options or files given by the user are wrong; nothing was contacted."""

    exit_code = 2


class LockedError(Failure):
    """Another deployer holds the lock of a host."""

    exit_code = 3


class BuildError(Failure):
    """The jar, the image or the registry failed; no host was contacted."""

    exit_code = 4


class HostError(Failure):
    """A host is unreachable, refuses, or could not pull; nothing was changed on any host."""

    exit_code = 5


class Unreachable(HostError):
    """A host does not answer; unlike one that refuses, it may be skipped."""


class RolledBack(Failure):
    """The rollout failed and every touched host is back on what it ran before, checked."""

    exit_code = 6


class LeftBroken(Failure):
    """The rollout failed and going back failed too, or could not be verified."""

    exit_code = 7


class LeftDifferent(Failure):
    """It ended as was asked for, with hosts left different: skipped, or paused in the middle."""

    exit_code = 9


class Interrupted(Failure):
    """SIGINT (130) or SIGTERM (143); what was touched has been put back."""

    def __init__(self, signal_number: int, what: str = "", **rest: str) -> None:
        super().__init__(what or f"Interrupted by signal {signal_number}.", **rest)
        self.signal_number = signal_number

    @property
    def code(self) -> int:
        """The exit code a shell gives a process that died of this signal."""
        return 128 + self.signal_number


def exit_code(failure: Failure) -> int:
    """The exit code that a failure ends the process with."""
    return failure.code if isinstance(failure, Interrupted) else failure.exit_code


_OUTCOMES = {
    0: "done",
    2: "refused: settings or options",
    3: "refused: locked by another deploy",
    4: "failed: build or registry",
    5: "failed: a host refused, nothing changed",
    6: "failed: rolled back",
    7: "failed: left broken",
    9: "done: hosts left different",
}


def outcome(code: int) -> str:
    """What an exit code says of a task that has ended, in a few words."""
    if code in {128 + number for number in SIGNALS}:
        return f"interrupted by signal {code - 128}"
    return _OUTCOMES.get(code, "failed: a defect")
