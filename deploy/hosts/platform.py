"""The platform that an image must be built for, asked of the hosts that will run it."""

from collections.abc import Mapping

from deploy.hosts.fleet import connections, on_each
from deploy.hosts.probe import architecture
from deploy.values.errors import HostError
from deploy.values.events import Stream
from deploy.values.inventory import Inventory

STEP = "platform"


def ask_platform(inventory: Inventory, stream: Stream) -> str:
    """The one platform of all application hosts, such as `linux/arm64`.

    Raises:
        HostError: a host cannot be reached, or they are of several platforms.
    """
    with (
        stream.step(STEP, "ask the hosts for their platform"),
        connections(inventory.hosts, inventory.access) as opened,
    ):
        names = list(opened)
        machines = on_each(names, lambda name: opened[name].run(["uname", "-m"]).out.strip())
    return common_platform(dict(zip(names, machines, strict=True)))


def common_platform(machines: Mapping[str, str]) -> str:
    """The platform of hosts, given what `uname -m` says on each.

    Raises:
        HostError: there are several.
    """
    platforms = {name: f"linux/{architecture(machine)}" for name, machine in machines.items()}
    if len(set(platforms.values())) > 1:
        raise HostError(
            "The hosts are of several platforms, and one image is for one.",
            details=[f"{name}: {platform}" for name, platform in platforms.items()],
            advice="Make a profile for the hosts of each platform.",
            step=STEP,
        )
    return next(iter(platforms.values()))
