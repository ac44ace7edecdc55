"""What a fleet could go back to, and which of that is meant. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deploy.rollout.found import Found, fleet_chain, release_of
from deploy.values.errors import HostError, InputError
from deploy.values.facts import HostFacts
from deploy.values.history import Entry
from deploy.values.release import ContainerSpec, HealthCheck


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """What one host still has of a release that finished."""

    entry: Entry
    spec: ContainerSpec | None
    """What it ran with; None when its container is gone, or does not say."""
    health: HealthCheck | None
    """How it was checked."""
    has_image: bool

    @property
    def source(self) -> str:
        """Where going back to it takes it from."""
        if not self.has_image:
            return "registry"
        return "image" if self.spec is None else "container"


@dataclass(frozen=True, kw_only=True)
class Past:
    """What one host has been through."""

    facts: HostFacts
    found: Found
    releases: tuple[Remembered, ...]
    """The one that finished last, then those before it, newest first."""


def target(fleet: Mapping[str, Past], wish: str) -> Entry:
    """The release to go back to.

    Args:
        fleet: by host name.
        wish: a rollout id or a tag; empty for the last release that finished on the fleet before this one.

    Raises:
        InputError: nothing that finished is called so.
        HostError: there is nothing to go back to, or the hosts are half way between two releases.
    """
    chain = fleet_chain(past.found for past in fleet.values())
    if wish:
        return _named(fleet, chain, wish)
    _refuse_half_way(fleet, chain)
    if len(chain) < 2:
        raise HostError(
            "There is no earlier release to go back to.",
            why="No other has finished on these hosts, as far as their containers tell.",
            advice="`invoke releases` lists what there is.",
        )
    return chain[1]


def _named(fleet: Mapping[str, Past], chain: Sequence[Entry], wish: str) -> Entry:
    known = {one.entry.id: one.entry for past in fleet.values() for one in past.releases}
    in_order = {entry.id: entry for entry in chain} | known
    current = chain[0].id if chain else ""
    exact = [entry for entry in in_order.values() if wish in {entry.id, entry.origin}]
    tagged = [entry for entry in in_order.values() if entry.tag == wish]
    # Of several with one tag, such as after a change of settings, an earlier one is meant.
    tagged.sort(key=lambda entry: entry.id == current)
    if found := [*exact, *tagged]:
        return found[0]
    there = [f"{entry.tag} ({entry.id})" for entry in in_order.values()]
    raise InputError(
        f"No release {wish!r} has finished on these hosts.",
        why=f"There is {', '.join(there)}." if there else "None has.",
        advice="`invoke releases` lists them.",
    )


def _refuse_half_way(fleet: Mapping[str, Past], chain: Sequence[Entry]) -> None:
    finished = {entry.id for entry in chain}
    told = [f"{host}: {words}" for host, past in fleet.items() for words in _half_way(past.found, finished)]
    if told:
        raise HostError(
            "The hosts are half way between two releases, so there is no telling which one is before this.",
            advice="Run `invoke repair` first, or name the release: `invoke rollback --to=RELEASE`.",
            details=told,
        )


def _half_way(here: Found, finished: set[str]) -> Iterator[str]:
    serving, last = here.serving, here.committed
    if serving and serving != last:
        yield f"{release_of(serving)} serves, and never finished."
    elif last and release_of(last) not in finished:
        yield f"{release_of(last)} finished here, and not on the other hosts."


def remembered(fleet: Mapping[str, Past], entry: Entry) -> dict[str, Remembered]:
    """What each host has of a release; hosts that have nothing are left out."""
    return {host: one for host, past in fleet.items() for one in past.releases if one.entry.id == entry.id}


def made_from_of(fleet: Mapping[str, Past], label: str) -> str:
    """What the fleet's proxies are made from, by their label: as most are; empty when there is none."""
    told = [
        said
        for past in fleet.values()
        if past.found.proxy and (said := past.found.proxy.labels.get(label, ""))
    ]
    return max(told, key=told.count, default="")
