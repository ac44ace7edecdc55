"""The platforms that an image must be built for, asked of the hosts that will run it."""

from collections.abc import Iterable

from deploy.hosts.fleet import connections, on_each
from deploy.hosts.probe import architecture
from deploy.values.events import Stream
from deploy.values.inventory import Inventory

STEP = "platform"


def ask_platforms(inventory: Inventory, stream: Stream) -> tuple[str, ...]:
    """The platforms of all hosts, such as `linux/arm64`: balancers too, for whom the proxy is.

    Raises:
        HostError: a host cannot be reached.
    """
    with (
        stream.step(STEP, "ask the hosts for their platform"),
        connections(inventory.every(), inventory.access) as opened,
    ):
        names = list(opened)
        machines = on_each(names, lambda name: opened[name].run(["uname", "-m"]).out.strip())
    return platforms_of(machines)


def platforms_of(machines: Iterable[str]) -> tuple[str, ...]:
    """The platforms of hosts, sorted, given what `uname -m` says on each."""
    return tuple(sorted({f"linux/{architecture(machine)}" for machine in machines}))
