"""Every host of an inventory, connected, its engine answering, and locked where something will change."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

from deploy.hosts.connection import Connection
from deploy.hosts.engine import through
from deploy.hosts.fleet import connections, on_each
from deploy.hosts.lock import Lock, Owner, hold_all
from deploy.rollout.site import Site
from deploy.values.events import Stream
from deploy.values.inventory import Inventory


@dataclass(frozen=True, kw_only=True)
class Locking:
    """The lock to take on every host: of which application, and in whose name."""

    app: str
    owner: Owner


@contextmanager
def reach(
    inventory: Inventory,
    stream: Stream,
    *,
    locking: Locking | None = None,
    registry_auth: Mapping[str, str] | None = None,
) -> Iterator[Mapping[str, Site]]:
    """Reach every host at the same time; all is given back at the end.

    Args:
        inventory: the hosts.
        stream: hears of it.
        locking: None where nothing will be changed.
        registry_auth: for pulls, as the Docker SDK's `auth_config`.

    Raises:
        HostError: a host cannot be reached, or its engine cannot be used.
        LockedError: somebody else is changing one of them.
    """
    with ExitStack() as stack:
        with stream.step("connect", ", ".join(host.name for host in inventory.hosts)):
            reached = stack.enter_context(connections(inventory.hosts, inventory.access))
        locks: Mapping[str, Lock] = {}
        if locking:
            with stream.step("lock", "every host"):
                held = hold_all(list(reached.values()), locking.app, locking.owner)
                locks = stack.enter_context(held).locks

        def site(connection: Connection) -> Site:
            return Site(
                host=connection.host,
                connection=connection,
                client=stack.enter_context(closing(through(connection))),
                lock=locks.get(connection.host.name),
                stream=stream,
                registry_auth=registry_auth,
            )

        sites = on_each(list(reached.values()), site)
        cancel = sites[0].cancel
        yield {each.host.name: replace(each, cancel=cancel) for each in sites}
