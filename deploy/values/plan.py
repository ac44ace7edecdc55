"""What a rollout will do: decided from the release and the facts, before anything changes."""

from dataclasses import dataclass
from typing import Literal

from deploy.values.balancing import Balancer, PutBack, TakeOut
from deploy.values.release import Release
from deploy.values.steps import Serving, Step

Strategy = Literal["start-first", "recreate"]
"""Start the new one beside the old, or stop the old one first; the same steps in another order."""


@dataclass(frozen=True, kw_only=True)
class HostPlan:
    """What the rollout means for one host."""

    host: str
    was: Serving | None
    strategy: Strategy
    why: str
    """Why this strategy."""
    there: frozenset[str] = frozenset()
    """The releases that it has containers of."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Steps for one host, done in order."""

    host: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Batches, done one after the other; the hosts of a batch at the same time.

    A failure in a stage undoes the whole rollout, unless `after_commit`: then it is a warning.
    """

    name: str
    batches: tuple[tuple[Work, ...], ...]
    after_commit: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A rollout of one release over a fleet. Without stages there is nothing to do."""

    release: Release
    hosts: tuple[HostPlan, ...]
    stages: tuple[Stage, ...]
    balancers: tuple[Balancer, ...] = ()
    """As they were found."""

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.stages)

    def touches(self, host: str) -> bool:
        """Whether anything would be done on a host; on a balancer, also for the sake of others."""
        balancing = any(host == each.host for each in self.balancers) and any(
            isinstance(step, TakeOut | PutBack) for each in self.hosts for step in self.steps(each.host)
        )
        return balancing or bool(self.steps(host))

    def of(self, host: str) -> HostPlan:
        """What is planned for a host; a balancer has nothing of the application."""
        bare = HostPlan(host=host, was=None, strategy="start-first", why="")
        return next((planned for planned in self.hosts if planned.host == host), bare)

    def steps(self, host: str) -> tuple[Step, ...]:
        """What would be done on a host, in order."""
        return tuple(
            step
            for stage in self.stages
            for batch in stage.batches
            for work in batch
            if work.host == host
            for step in work.steps
        )
