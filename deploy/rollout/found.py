"""What the containers on a host say: which release serves, which are kept, what was left half done. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deploy.rollout.adoption import Adoption, adoption, as_release
from deploy.values import history, labels
from deploy.values.addresses import Published
from deploy.values.adopting import ADOPTED, left_name
from deploy.values.facts import ContainerFacts, HostFacts
from deploy.values.history import Entry
from deploy.values.release import HealthCheck, proxy_name, replaced_proxy_name
from deploy.values.steps import Serving


@dataclass(frozen=True, kw_only=True)
class Found:
    """The containers of one application on one host, by the part they play."""

    serving: ContainerFacts | None
    """Where the proxy sends, when that runs; else the one with the plain name."""
    kept: tuple[ContainerFacts, ...]
    """Earlier releases that finished, newest first."""
    leftovers: tuple[ContainerFacts, ...]
    """What a rollout left behind that was killed, serving nothing."""
    proxy: ContainerFacts | None
    """The one that runs; else the one that a killed rollout was about to replace; else whichever is there."""
    plain: ContainerFacts | None
    """Whoever has the plain name."""
    sends_to: str = ""
    """The alias that the proxy sends to; empty when it does not answer."""
    adoption: Adoption | None = None
    """The container that somebody else started and that was adopted, or is to be."""

    @property
    def ours(self) -> tuple[ContainerFacts, ...]:
        """Every container of the application's releases, once."""
        every = [self.serving, self.plain, *self.kept, *self.leftovers]
        return tuple({item.id: item for item in every if item and item.role == "app"}.values())

    @property
    def releases(self) -> frozenset[str]:
        """The ids of the releases that have a container here."""
        return frozenset(release_of(item) for item in self.ours)

    @property
    def committed(self) -> ContainerFacts | None:
        """The release that finished here last: the plain name's; between two renames, the last one kept.

        By what their histories tell: their ids come from the clocks of more than one machine.
        """
        if self.plain or self.is_on_adopted:
            return self.plain
        before = {entry.id for item in self.kept for entry in history_of(item)}
        return next((item for item in self.kept if release_of(item) not in before), None)

    @property
    def idle(self) -> tuple[ContainerFacts, ...]:
        """Earlier releases that run, though the proxy sends elsewhere."""
        astray = self.adoption and not self.is_on_adopted and self.adoption.is_astray
        other = (self.adoption.item,) if self.adoption and astray else ()
        return (*(item for item in self.kept if item.running), *other)

    @property
    def unfinished(self) -> tuple[ContainerFacts, ...]:
        """Releases that never finished, newest first: they alone may tell what an adopted container was."""
        every = (item for item in self.ours if item not in self.kept and item != self.plain)
        return tuple(sorted(every, key=release_of, reverse=True))

    @property
    def is_on_adopted(self) -> bool:
        """Whether an adopted container is the release that finished here last, or one to adopt is.

        It has its own name then; or a rollout in its place never finished, and began with it.
        """
        if self.adoption is None or self.plain:
            return False
        return self.adoption.at_home or any(
            entry.id == ADOPTED for item in self.unfinished for entry in history_of(item)[:1]
        )

    @property
    def adopts(self) -> bool:
        """Whether a rollout here takes the port from an adopted container."""
        return self.is_on_adopted and self.serving is None

    @property
    def chain(self) -> tuple[Entry, ...]:
        """The releases that finished here, newest first."""
        if self.adoption and self.is_on_adopted:
            earlier = (entry for entry in self._before_adopted() if entry.id != ADOPTED)
            return (history.of_adopted(self.adoption.adopted), *earlier)
        last = self.committed
        return (entry_of(last), *history_of(last)) if last else ()

    def _before_adopted(self) -> tuple[Entry, ...]:
        """What finished before somebody went back to the adopted container."""
        before = {entry.id for item in self.kept for entry in history_of(item)}
        if left := next((item for item in self.kept if release_of(item) not in before), None):
            return (entry_of(left), *history_of(left))
        return next((told for item in self.unfinished if (told := history_of(item))), ())


def find(
    facts: HostFacts,
    *,
    app: str,
    profile: str,
    sends_to: str,
    at: Published | None = None,
    answered: bool = False,
) -> Found:
    """Sort a host's containers.

    Args:
        facts: of the host.
        app: the application's name.
        profile: the profile; containers of another profile are not ours.
        sends_to: the alias that the proxy sends to; empty when there is no proxy, or it does not answer.
        at: APP_PORT; with it, a container of somebody else's by our name or on it may be adopted.
        answered: whether something answered there just now.
    """
    ours = [item for item in facts.containers if is_ours(item, app=app, profile=profile)]
    plain = next((item for item in ours if item.name == app), None)
    pointed = next((item for item in ours if alias(item) == sends_to and item.running), None)
    serving = pointed or plain
    # By whichever label names it: with neither plain name nor a serving container, the rest still tells.
    finished = {entry.id for item in ours for entry in history_of(item)}
    rest = sorted((item for item in ours if item != serving), key=release_of, reverse=True)
    kept = tuple(item for item in rest if release_of(item) in finished or item == plain or _was_left(item))
    proxy, other_proxies = _proxies(facts, app)
    told = [history_of(item) for item in sorted(ours, key=release_of, reverse=True)]
    return Found(
        serving=serving,
        kept=kept,
        leftovers=(*(item for item in rest if item not in kept), *other_proxies),
        proxy=proxy,
        plain=plain,
        sends_to=sends_to,
        adoption=adoption(facts, told, app=app, at=None if serving else at, answered=answered),
    )


def _was_left(item: ContainerFacts) -> bool:
    return item.name == left_name(item.app, release_of(item))


def _proxies(facts: HostFacts, app: str) -> tuple[ContainerFacts | None, list[ContainerFacts]]:
    """The proxy that counts, and what is left of a replacement that was killed half way."""
    names = (proxy_name(app), replaced_proxy_name(app))
    there = [item for name in names for item in facts.containers if is_proxy(item, app=app, name=name)]
    # A new one that does not run may lack its configuration; the replaced one is as it was.
    counts = next((item for item in there if item.running), there[-1] if there else None)
    return counts, [item for item in there if item is not counts]


def is_ours(item: ContainerFacts, *, app: str, profile: str) -> bool:
    """Whether a container is of this application and profile."""
    return (
        item.labels.get(labels.APP) == app
        and item.labels.get(labels.ROLE) == "app"
        and item.labels.get(labels.PROFILE) == profile
    )


def is_proxy(item: ContainerFacts, *, app: str, name: str = "") -> bool:
    """Whether a container is this application's proxy, by its own name or another."""
    return (
        item.name == (name or proxy_name(app))
        and item.labels.get(labels.APP) == app
        and item.labels.get(labels.ROLE) == "proxy"
    )


def release_of(item: ContainerFacts) -> str:
    """The rollout id that made a container."""
    return item.labels.get(labels.RELEASE, "")


def alias(item: ContainerFacts) -> str:
    """A container's name in the application's network."""
    return f"r{release_of(item)}"


def history_of(item: ContainerFacts) -> tuple[Entry, ...]:
    """The releases that finished before a container's own, newest first; none when unreadable."""
    return tuple(entry for entry in history.read(item.labels.get(labels.HISTORY, "")) if entry.id)


def entry_of(item: ContainerFacts) -> Entry:
    """A container's release, as later ones' histories will tell of it."""
    return history.of_labels(item.labels, item.image)


def fleet_chain(found: Iterable[Found]) -> tuple[Entry, ...]:
    """The releases that finished on most of those hosts where any did, newest first."""
    chains = [here.chain for here in found if here.chain]
    known = {entry.id: entry for chain in chains for entry in chain}
    votes = Counter(entry.id for chain in chains for entry in chain)
    depths = {
        each: max(place for chain in chains for place, entry in enumerate(chain) if entry.id == each)
        for each in known
    }
    in_order = sorted(known, key=lambda each: depths[each])
    return tuple(known[each] for each in in_order if 2 * votes[each] > len(chains))


def as_serving(item: ContainerFacts, fallback: HealthCheck) -> Serving:
    """What a rollout must remember of the container that it replaces.

    `fallback` is how it is checked when its own label does not say.
    """
    return Serving(
        id=item.id,
        name=item.name,
        release=release_of(item),
        tag=item.labels.get(labels.TAG, ""),
        digest=item.labels.get(labels.DIGEST, ""),
        alias=alias(item),
        running=item.running,
        health=health_of(item.labels, fallback),
    )


def before(here: Found, fallback: HealthCheck) -> Serving | None:
    """What a rollout finds in its place; `fallback` as for `as_serving`."""
    if here.serving:
        return as_serving(here.serving, fallback)
    return as_release(here.adoption.adopted, fallback.timeout) if here.adoption and here.adopts else None


def health_of(container_labels: Mapping[str, str], fallback: HealthCheck) -> HealthCheck:
    """How a container's own release was checked, by its label."""
    try:
        return HealthCheck(**json.loads(container_labels[labels.HEALTH]))
    except (KeyError, TypeError, ValueError):
        return fallback
