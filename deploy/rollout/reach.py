"""Every host of an inventory, connected, its engine answering, and locked where something will change."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from deploy.hosts.connection import Connection, connect
from deploy.hosts.engine import through
from deploy.hosts.fleet import connections, on_each
from deploy.hosts.lock import FleetLock, Lock, Owner, hold, hold_all
from deploy.rollout.session import Session
from deploy.rollout.site import Site
from deploy.values.errors import HostError, LockedError, Unreachable
from deploy.values.events import Stream
from deploy.values.inventory import Inventory

AtEnd = Callable[[Mapping[str, Connection], BaseException | None], None]
"""Told the connections by host name, and the error that ends the work, if one does."""

WAIT_TURN = 1.0
"""Seconds between two tries to get a lock that somebody else holds."""


@dataclass(frozen=True, kw_only=True)
class Locking:
    """The lock to take on every host: of which application, and in whose name."""

    app: str
    owner: Owner
    wait: float = 0
    """Seconds to wait for whoever holds it."""


@contextmanager
def reach(
    inventory: Inventory,
    stream: Stream,
    *,
    locking: Locking | None = None,
    skip: Callable[[Unreachable], None] | None = None,
    at_end: AtEnd | None = None,
) -> Iterator[Mapping[str, Site]]:
    """Reach every host at the same time; all is given back at the end.

    Args:
        inventory: the hosts, and the balancers over them.
        stream: hears of it.
        locking: None where nothing will be changed.
        skip: told of each host that does not answer, which is then left out; None does not leave any out. A
            balancer is never left out: nothing could be taken out of it.
        at_end: called with the locks held and the engines' channels closed, so that a session is free.

    Raises:
        HostError: a host cannot be reached, or its engine cannot be used.
        LockedError: somebody else is changing one of them.
    """
    with ExitStack() as stack:
        every, balancing = inventory.every(), {host.name for host in inventory.balancers}
        with stream.step("connect", ", ".join(host.name for host in every)):
            skipping = _only_hosts(skip, balancing) if skip else None
            reached = stack.enter_context(connections(every, inventory.access, skip=skipping))
            if not reached.keys() - balancing:
                raise HostError("None of the hosts answers.", step="connect")
        locks: Mapping[str, Lock] = {}
        if locking:
            with stream.step("lock", "every host"):
                held = _hold(list(reached.values()), locking, stream)
                locks = stack.enter_context(held).locks
        if at_end:
            _call_at_end(stack, at_end, reached)

        def session(connection: Connection) -> Session:
            return Session(
                connection=connection,
                client=stack.enter_context(closing(through(connection))),
                lock=locks.get(connection.host.name),
                owner=locking.owner if locking else None,
                connect=partial(connect, connection.host, inventory.access),
                take=partial(_take, locking),
                stack=stack,
            )

        def site(connection: Connection) -> Site:
            return Site(
                host=connection.host,
                session=session(connection),
                stream=stream,
            )

        sites = on_each(list(reached.values()), site)
        yield _arranged(sites, balancing)


def _arranged(sites: Sequence[Site], balancing: Collection[str]) -> dict[str, Site]:
    """The hosts by name, which know the balancers, and stop with them and with each other."""
    together = [replace(each, cancel=sites[0].cancel) for each in sites]
    balancers = tuple(each for each in together if each.host.name in balancing)
    return {
        each.host.name: replace(each, balancers=balancers)
        for each in together
        if each.host.name not in balancing
    }


def _only_hosts(
    skip: Callable[[Unreachable], None], balancing: Collection[str]
) -> Callable[[Unreachable], None]:
    def skipping(error: Unreachable) -> None:
        if error.host in balancing:
            raise error
        skip(error)

    return skipping


def _take(locking: Locking | None, connection: Connection) -> Lock:
    if locking is None:
        raise AssertionError(f"{connection.host.name} was reached for reading only")
    return hold(connection, locking.app, locking.owner)


def _call_at_end(stack: ExitStack, at_end: AtEnd, reached: Mapping[str, Connection]) -> None:
    def call(_kind: object, error: BaseException | None, _trace: object) -> None:
        at_end(reached, error)

    stack.push(call)


def _hold(reached: Sequence[Connection], locking: Locking, stream: Stream) -> FleetLock:
    """Take every lock, again and again while there is time to wait for whoever holds one."""
    deadline = time.monotonic() + locking.wait
    while True:
        try:
            return hold_all(reached, locking.app, locking.owner)
        except LockedError as error:
            if time.monotonic() + WAIT_TURN > deadline:
                raise
            left = deadline - time.monotonic()
            stream.progress(f"{error.what} Waiting, {left:.0f} s at most.", step="lock", host=error.host)
            time.sleep(WAIT_TURN)
