"""From hosts that a killed run left half done to the steps that bring them to one release. Pure."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.rollout.found import Found, alias, history_of, release_of
from deploy.values import labels
from deploy.values.errors import HostError
from deploy.values.facts import ContainerFacts
from deploy.values.release import proxy_name, replaced_proxy_name


def fleet_release(fleet: Mapping[str, Found]) -> ContainerFacts:
    """The release that the fleet is on: the one that finished last on most hosts, the earlier on a tie.

    A host that its rollout left out, because it was unreachable, does not speak against a release.

    Args:
        fleet: by the place of each host.

    Returns:
        The container of it on one of its hosts.

    Raises:
        HostError: no release has ever finished on these hosts.
    """
    last = {host: item for host, here in fleet.items() if (item := here.committed)}
    if not last:
        raise HostError(
            "No release has ever finished on these hosts, so there is none to bring them to.",
            advice="`invoke deploy` replaces what is left there.",
        )
    heard = [item for host, item in last.items() if host not in _left_out(last)]
    votes = Counter(release_of(item) for item in heard)
    most = [item for item in heard if votes[release_of(item)] == max(votes.values())]
    return next(item for item in most if not any(is_before(other, item) for other in most))


def goes_back_to_adopted(fleet: Mapping[str, Found]) -> bool:
    """Whether the fleet is on what was adopted rather than on a release of ours: as most hosts are.

    On a tie it is on the earlier: the adopted one, unless the release was left for it.
    """
    on = [here for here in fleet.values() if here.is_on_adopted]
    last = [release_of(item) for here in fleet.values() if (item := here.committed)]
    most = max(Counter(last).values(), default=0)
    if not on or len(on) != most:
        return len(on) > most
    left = {release_of(item) for here in on for item in here.kept}
    return left.isdisjoint(last)


def _left_out(last: Mapping[str, ContainerFacts]) -> set[str]:
    """Hosts that a later release of another host went without."""
    return {
        host
        for host, item in last.items()
        for other in last.values()
        if host in _places(other.labels.get(labels.SKIPPED, "")) and is_before(item, other)
    }


def _places(label: str) -> set[str]:
    try:
        return {str(place) for place in json.loads(label or "[]")}
    except (ValueError, TypeError):
        return set()


def is_before(item: ContainerFacts, other: ContainerFacts) -> bool:
    """Whether a release finished before another did, by their histories; by their ids if these say nothing.

    The ids come from the clocks of more than one machine.
    """
    one, two = release_of(item), release_of(other)
    if one in {entry.id for entry in history_of(other)}:
        return True
    if two in {entry.id for entry in history_of(item)}:
        return False
    return one < two


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A host's containers, by the part that they play in bringing it to a release."""

    mine: ContainerFacts | None
    """That release's own."""
    serving: ContainerFacts | None
    """Another one, which runs and serves."""
    strays: tuple[ContainerFacts, ...]
    """What is of no release that the fleet has been through: it is removed."""
    kept: tuple[ContainerFacts, ...]
    """Earlier releases, to go back to."""

    @property
    def is_up(self) -> bool:
        """Whether the release runs, and nothing else serves."""
        return self.mine is not None and self.mine.running and self.serving is None


def parts_of(here: Found, release: str) -> Parts:
    """Sort a host's containers for bringing it to the release with this id."""
    mine = next((item for item in here.ours if release_of(item) == release), None)
    others = [item for item in here.ours if item != mine]
    serving = here.serving if here.serving in others and here.serving.running else None
    strays = [item for item in others if _is_stray(item, here, release)]
    return Parts(
        mine=mine,
        serving=serving,
        strays=tuple(strays),
        kept=tuple(item for item in others if item not in strays),
    )


def _is_stray(item: ContainerFacts, here: Found, release: str) -> bool:
    """Whether it never finished, or finished after the release that the fleet is on."""
    finished = item == here.plain or item in here.kept
    return not finished or release in {entry.id for entry in history_of(item)}


def is_well(here: Found, release: str) -> bool:
    """Whether a host is on a release, wholly: nothing is left to do, and no reboot would change that."""
    parts = parts_of(here, release)
    if parts.mine is None or here.proxy is None:
        return False
    return (
        parts.is_up
        and parts.mine == here.plain
        and parts.mine.restart_policy == "unless-stopped"
        and here.proxy.running
        and here.proxy.name == proxy_name(here.proxy.app)
        and here.proxy.restart_policy == "unless-stopped"
        and here.sends_to == alias(parts.mine)
        and not (parts.strays or here.leftovers)
        and not any(item.running for item in (*parts.kept, *here.idle))
    )


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """What becomes of a host's proxies."""

    stays: ContainerFacts | None
    """The one to serve; None when one must be made."""
    go: tuple[ContainerFacts, ...]


def proxies_of(here: Found, mine: ContainerFacts | None) -> Proxies:
    """Choose between a proxy and the one that a killed rollout had begun to replace it with.

    A replacement that is older than the release's own container belongs to that release. One that never ran
    has no configuration.
    """
    every = [item for item in (here.proxy, *here.leftovers) if item and item.role == "proxy"]
    replaced = next((item for item in every if item.name == replaced_proxy_name(item.app)), None)
    new = next((item for item in every if item.name == proxy_name(item.app)), None)
    fit = new if new and new.state != "created" else None
    ours = fit is not None and mine is not None and fit.created_at < mine.created_at
    stays = replaced if replaced and not ours else fit
    return Proxies(stays=stays, go=tuple(item for item in every if item != stays))
