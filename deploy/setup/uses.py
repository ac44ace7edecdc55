"""Which images the hosts of a team run or keep, whichever profile they are of."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from deploy.hosts import containers
from deploy.hosts.connection import Connection, connect
from deploy.hosts.engine import through
from deploy.hosts.fleet import on_each
from deploy.hosts.lock import Owner, hold_all
from deploy.values import labels
from deploy.values.inventory import Access, Host
from deploy.values.settings import Settings

Uses = Mapping[str, tuple[str, ...]]
"""Digest of an image -> such as `web1 runs it`, `web2 keeps it`."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The hosts of a profile."""

    profile: str
    app: str
    hosts: tuple[Host, ...]
    access: Access


@dataclass(frozen=True, kw_only=True)
class Reached:
    """Fleets whose hosts are all connected to, each once however many profiles name it."""

    fleets: tuple[Fleet, ...]
    connections: Mapping[tuple[str, int], Connection]

    def uses(self) -> Uses:
        """What each host runs and keeps.

        Raises:
            HostError: a host's engine does not answer.
        """
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for use in on_each(list(self.connections.values()), _of):
            for digest, words in use.items():
                found[digest][words] = None
        return {digest: tuple(sorted(words)) for digest, words in found.items()}

    @contextmanager
    def locked(self, owner: Owner) -> Iterator[None]:
        """Hold off deploys of these applications to these hosts.

        Raises:
            LockedError: one is under way.
        """
        hosts: dict[str, dict[tuple[str, int], Connection]] = defaultdict(dict)
        for fleet in self.fleets:
            for host in fleet.hosts:
                hosts[fleet.app][_key(host)] = self.connections[_key(host)]
        with ExitStack() as stack:
            for app in sorted(hosts):
                stack.enter_context(hold_all(list(hosts[app].values()), app, owner))
            yield


def fleet_of(settings: Settings) -> Fleet:
    """The fleet of a profile's settings."""
    inventory = settings.inventory()
    return Fleet(
        profile=settings.profile, app=settings.app_name, hosts=inventory.every(), access=inventory.access
    )


@contextmanager
def reached(fleets: Sequence[Fleet]) -> Iterator[Reached]:
    """Connect to every host of every fleet, all at once.

    Raises:
        HostError: one cannot be connected to.
    """
    wanted = {_key(host): (host, fleet.access) for fleet in fleets for host in fleet.hosts}
    opened: dict[tuple[str, int], Connection] = {}

    def open_one(key: tuple[str, int]) -> None:
        opened[key] = connect(*wanted[key])

    try:
        on_each(list(wanted), open_one) if wanted else None
        yield Reached(fleets=tuple(fleets), connections=opened)
    finally:
        for connection in list(opened.values()):
            connection.close()


def of_engine(
    name: str, listed: Sequence[Mapping[str, Any]], images: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """What one host uses, from its engine's lists of containers and of images."""
    digests_of = {str(image["Id"]): _digests(image.get("RepoDigests") or ()) for image in images}
    kept = {digest for digests in digests_of.values() for digest in digests}
    run: set[str] = set()
    for entry in listed:
        seen = containers.listed(entry)
        of_it = _digests([seen.image]) | digests_of.get(seen.image_id, set())
        if label := seen.labels.get(labels.DIGEST):
            of_it.add(label)
        (run if seen.running else kept).update(of_it)
    return {
        **dict.fromkeys(sorted(kept), f"{name} keeps it"),
        **dict.fromkeys(sorted(run), f"{name} runs it"),
    }


def _of(connection: Connection) -> dict[str, str]:
    with closing(through(connection)) as client:
        return of_engine(connection.host.name, client.api.containers(all=True), client.api.images())


def _digests(references: Sequence[str]) -> set[str]:
    return {reference.partition("@")[2] for reference in references if "@sha256:" in reference}


def _key(host: Host) -> tuple[str, int]:
    return host.address.lower(), host.port
