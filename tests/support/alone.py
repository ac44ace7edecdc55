"""What only one process of tests does at a time: bring a machine what it lacks, make what all of them use."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(__file__).parents[2] / ".jarship" / "tests.lock"


@contextmanager
def alone() -> Iterator[None]:
    """Hold off this clone's other processes of tests, which would install, start or build the same."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
