"""Steps of several hosts as stages of a plan: all at once, or batch after batch. Pure."""

from collections.abc import Mapping, Sequence

from deploy.values.plan import Stage, Work
from deploy.values.sizes import Batch
from deploy.values.steps import Step


def together(name: str, steps: Mapping[str, Sequence[Step]], *, after: bool = False) -> Stage:
    """A stage of one batch: all hosts that have something to do."""
    work = tuple(Work(host=host, steps=tuple(each)) for host, each in steps.items() if each)
    return Stage(name=name, batches=(work,) if work else (), after_commit=after)


def batched(name: str, steps: Mapping[str, Sequence[Step]], size: int) -> Stage:
    """A stage of batches, one after the other."""
    work = [Work(host=host, steps=tuple(each)) for host, each in steps.items()]
    return Stage(name=name, batches=tuple(tuple(work[at : at + size]) for at in range(0, len(work), size)))


def turns(hosts: Sequence[str], batch: Batch) -> tuple[Sequence[str], Sequence[str]]:
    """The hosts that go first, which is one, and those that follow in batches."""
    if all_at_once(hosts, batch):
        return hosts, []  # BATCH=100%: asked for in so many words
    return hosts[:1], hosts[1:]


def all_at_once(hosts: Sequence[str], batch: Batch) -> bool:
    """Whether a batch was asked for that holds all of these hosts."""
    return bool(batch.percent) and batch.of(len(hosts)) >= len(hosts)
