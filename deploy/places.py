"""Where tasks go: the sandbox, a host of the profile or another one, this machine's engine."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from deploy.command import Run
from deploy.values.addresses import parse_host
from deploy.values.errors import HostError, InputError
from deploy.values.inventory import Access, Host, Inventory
from deploy.values.reference import split_host
from deploy.values.settings import Settings

if TYPE_CHECKING:
    from docker import DockerClient


def with_sandbox(run: Run, settings: Settings) -> Settings:
    """The settings with the sandbox's addresses in them, when they ask for it; it is brought up first."""
    if not settings.hosts_sandbox:
        return settings
    from deploy.sandbox.life import up

    return up(settings, run.root, stream=run.stream).apply(settings)


def choose(inventory: Inventory, name: str) -> tuple[Host, ...]:
    """The hosts and balancers of an inventory, or the one of a name.

    Raises:
        InputError: there is none of this name.
    """
    every = inventory.every()
    if not name:
        return every
    chosen = tuple(host for host in every if host.name == name)
    if not chosen:
        known = ", ".join(host.name for host in every)
        raise InputError(f"No host {name!r} in this profile.", advice=f"Its hosts are {known}.")
    return chosen


def registry_host(settings: Settings, text: str) -> Host:
    """The registry's host: by its name in the profile, or as HOSTS would write it.

    Raises:
        InputError: it is neither; or nothing is given, and no host of the profile has the registry's address.
    """
    known = known_registry_host(settings)
    if not text and known is None:
        raise InputError(
            "Which host is the registry's?", advice="Write --host=user@host, as HOSTS would write it."
        )
    if not text and known is not None:
        return known
    for host in settings.inventory().every():
        if text == host.name:
            return host
    try:
        return parse_host(text)
    except ValueError as error:
        raise InputError(f"--host={text}: {error}.") from None


def known_registry_host(settings: Settings) -> Host | None:
    """The host of the profile that has the registry's address."""
    if settings.hosts_sandbox:
        return None
    known = {split_host(each) for each in (settings.registry, settings.registry_for_hosts) if each}
    every = settings.inventory().every()
    return next((host for host in every if {host.address.lower(), host.reached_at} & known), None)


@contextmanager
def engine_of(host: Host, settings: Settings) -> "Iterator[DockerClient]":
    """A client of a host's engine; failures inside name the host.

    Raises:
        HostError: it cannot be reached.
    """
    from deploy.hosts.connection import connect
    from deploy.hosts.engine import through

    access = Access(key=settings.ssh_key, known_hosts=settings.ssh_known_hosts)
    with connect(host, access) as connection, closing(through(connection, timeout=300)) as client:
        try:
            yield client
        except HostError as error:
            error.host = error.host or host.name
            raise


def engine_here(run: Run) -> "DockerClient | None":
    """This machine's engine; None when there is none."""
    from deploy.engine import EngineError, local

    try:
        return local(run.stream, run.environ)
    except EngineError:
        return None


def engine_info(run: Run) -> Mapping[str, Any] | None:
    """What this machine's engine says of itself; None when there is none."""
    client = engine_here(run)
    if client is None:
        return None
    with closing(client):
        return client.info()
