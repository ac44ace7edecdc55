"""The same on every host at once."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from deploy.hosts.connection import Connection, connect
from deploy.values.errors import Failure, Unreachable
from deploy.values.inventory import Access, Host

T = TypeVar("T")
R = TypeVar("R")


def on_each(items: Sequence[T], do: Callable[[T], R]) -> list[R]:
    """Do the same with every item, each in a thread of its own, and wait for all.

    The threads are daemons: a signal ends the wait, and what is not done then ends with the process.

    Raises:
        Failure: the first in the items' order; its details name the other hosts that failed.
    """
    if len(items) == 1:
        return [do(items[0])]
    outcomes = [_Outcome[T, R](item, do) for item in items]
    for outcome in outcomes:
        outcome.thread.start()
    for outcome in outcomes:
        outcome.thread.join()
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if failed:
        raise _first(failed)
    return [outcome.value() for outcome in outcomes]


@contextmanager
def connections(
    hosts: Sequence[Host],
    access: Access,
    *,
    timeout: float = 10,
    skip: Callable[[Unreachable], None] | None = None,
) -> Iterator[Mapping[str, Connection]]:
    """Connect to all hosts at once; gives the connections by host name, and closes them at the end.

    Args:
        hosts: in the order of the result.
        access: how to get in.
        timeout: seconds, as `connect` takes them.
        skip: told of each host that does not answer, which is then left out; None does not leave any out.

    Raises:
        HostError: a host cannot be connected to; the others' connections are closed.
    """
    opened: dict[str, Connection] = {}

    def open_one(host: Host) -> None:
        try:
            opened[host.name] = connect(host, access, timeout=timeout)
        except Unreachable as error:
            if skip is None:
                raise
            skip(error)

    try:
        on_each(hosts, open_one)
        yield {host.name: opened[host.name] for host in hosts if host.name in opened}
    finally:
        for connection in list(opened.values()):
            connection.close()


class _Outcome(Generic[T, R]):
    def __init__(self, item: T, do: Callable[[T], R]) -> None:
        self.error: BaseException | None = None
        self._values: list[R] = []
        self.thread = threading.Thread(target=self._run, args=(item, do), daemon=True)

    def _run(self, item: T, do: Callable[[T], R]) -> None:
        try:
            self._values.append(do(item))
        except BaseException as error:  # noqa: BLE001  # the waiting thread raises it
            self.error = error

    def value(self) -> R:
        return self._values[0]


def _first(errors: Sequence[BaseException]) -> BaseException:
    """An error that speaks for all."""
    defects = [error for error in errors if not isinstance(error, Failure)]
    if defects or len(errors) == 1:
        return (defects or errors)[0]
    first, *others = [error for error in errors if isinstance(error, Failure)]
    first.details = (*first.details, *(f"{e.host}: {e.what} {e.why}".rstrip() for e in others))
    return first
