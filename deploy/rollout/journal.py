"""What a rollout has begun, so that all of it can be undone."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from deploy.rollout.signals import Signals
from deploy.rollout.site import Bench, Site
from deploy.values.plan import Plan
from deploy.values.steps import Step

Sites = Mapping[str, Site]
Begun = dict[str, list[Step]]
"""Steps by host, in the order they were begun."""


@dataclass
class Journal:
    """The batches that were begun, one after the other, and how long each phase took on each host."""

    batches: list[Begun] = field(default_factory=list)
    seconds: dict[str, dict[str, float]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(float))
    )

    def begin_batch(self) -> None:
        """From here on, steps belong to another batch."""
        self.batches.append(defaultdict(list))

    @contextmanager
    def step(self, host: str, step: Step) -> Iterator[None]:
        """Write a step down before it is done: one that breaks off half way is undone too."""
        self.batches[-1][host].append(step)
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[host][step.phase] += time.monotonic() - begun

    def begun(self, host: str) -> list[Step]:
        """The steps that were begun on a host, in that order."""
        return [step for batch in self.batches for step in batch.get(host, ())]

    @property
    def touched(self) -> list[str]:
        """The hosts on which anything was begun, in that order."""
        return list(dict.fromkeys(host for batch in self.batches for host in batch))


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A plan being done: where, and how far it has come."""

    plan: Plan
    sites: Sites
    bench: Bench
    signals: Signals
    journal: Journal = field(default_factory=Journal)

    @property
    def balancers(self) -> list[str]:
        """The names of those over the hosts."""
        return [each.host for each in self.plan.balancers]

    def warn(self, text: str, *, step: str, host: str = "") -> None:
        """Say something that the user may want to act on."""
        next(iter(self.sites.values())).stream.warning(text, step=step, host=host)
