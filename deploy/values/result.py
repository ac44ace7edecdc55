"""What a rollout came to."""

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.values.release import Release


@dataclass(frozen=True, kw_only=True)
class HostResult:
    """What a rollout came to on one host."""

    host: str
    was: str
    """The tag that served before; empty when none did."""
    now: str
    strategy: str
    seconds: Mapping[str, float]
    """By phase, in the order they were begun."""
    url: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a rollout came to on the whole fleet."""

    release: Release
    changed: bool
    hosts: tuple[HostResult, ...]
    skipped: tuple[str, ...] = ()
    """Hosts that did not answer and were left out, as was asked for."""
    seconds: float
