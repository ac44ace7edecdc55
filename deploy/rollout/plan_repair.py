"""The plan of a repair: what each host needs to be on the fleet's release, and no more. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from deploy.rollout import plan_adoption
from deploy.rollout.balance import merged
from deploy.rollout.found import Found, alias, as_serving, release_of
from deploy.rollout.mend import Parts, Proxies, is_well, parts_of, proxies_of
from deploy.rollout.plan import NO_BALANCING, Wishes, balance_of, finished_plan
from deploy.rollout.stages import batched, together
from deploy.rollout.strategy import Way
from deploy.values.adopting_steps import Adopt, Close
from deploy.values.balancing import Balancing
from deploy.values.plan import HostPlan, Plan
from deploy.values.release import PROXY_TAG, Release, local_tag, network_name
from deploy.values.steps import (
    AwaitHealth,
    Commit,
    Create,
    Discard,
    Drain,
    MakeNetwork,
    Prune,
    Pull,
    ReviveProxy,
    Serving,
    Settle,
    Start,
    StartProxy,
    Step,
    StopIdle,
    StopOld,
    Switch,
)


@dataclass(frozen=True, kw_only=True)
class _Host:
    """One host that is not well, and what is known of it."""

    here: Found
    parts: Parts
    release: Release
    """The fleet's, called as its container is called here."""
    recreate: bool
    wishes: Wishes

    @property
    def old(self) -> Serving | None:
        """What serves instead of the release."""
        return as_serving(self.parts.serving, self.release.health) if self.parts.serving else None

    @property
    def proxies(self) -> Proxies:
        """What becomes of its proxies."""
        return proxies_of(self.here, self.parts.mine)


def plan_repair(
    release: Release,
    history: str,
    fleet: Mapping[str, Found],
    ways: Mapping[str, Way],
    wishes: Wishes,
    balancing: Balancing = NO_BALANCING,
) -> Plan:
    """Plan how to bring every host to one release.

    Args:
        release: the fleet's.
        history: its history label, for hosts that do not have its container.
        fleet: by host name, in their order.
        ways: how each host is replaced, where something else serves.
        wishes: the batch, the drain timeout, and the proxy where one is missing.
        balancing: what stands before the hosts.
    """
    hosts = tuple(
        HostPlan(
            host=name,
            was=as_serving(here.serving, release.health) if here.serving else None,
            strategy=ways[name].strategy,
            why=ways[name].why,
            there=here.releases,
        )
        for name, here in fleet.items()
    )
    ill = {
        name: _host(release, here, ways[name], wishes)
        for name, here in fleet.items()
        if not is_well(here, release.id)
    }
    balance = balance_of(release, fleet, wishes, balancing)
    if not ill:
        stages = [] if balance.is_in_order else balance.alone()
        return finished_plan(release, hosts, stages, balancing)
    first, rest, size = balance.turns(list(ill), wishes.batch, fleet=len(fleet))
    serve = {name: balance.around(name, _serve(host)) for name, host in ill.items()}
    stages = [
        together("pull", {name: list(_pulls(host)) for name, host in ill.items()}),
        together("prepare", {name: list(_prepare(host, history)) for name, host in ill.items()}),
        together("first", {name: serve[name] for name in first}),
        batched("next", {name: serve[name] for name in rest}, size),
        together("drain", {name: list(_retire(host)) for name, host in ill.items()}),
        together("commit", {name: list(_commit(host)) for name, host in ill.items()}),
        together("prune", {name: [_prune(host)] for name, host in ill.items()}, after=True),
    ]
    return finished_plan(release, hosts, merged(stages, [*balance.ahead(), *balance.behind()]), balancing)


def _host(release: Release, here: Found, way: Way, wishes: Wishes) -> _Host:
    parts = parts_of(here, release.id)
    runs = parts.mine is not None and parts.mine.running
    return _Host(
        here=here,
        parts=parts,
        release=replace(release, called=parts.mine.name) if parts.mine else release,
        recreate=way.strategy == "recreate" and parts.serving is not None and not runs,
        wishes=wishes,
    )


def _pulls(host: _Host) -> Iterator[Step]:
    release = host.release
    if host.parts.mine is None:
        yield Pull(image=release.image, keep_as=local_tag(release.app, release.id))
    if host.proxies.stays is None:
        yield Pull(image=release.proxy_image, keep_as=local_tag(release.app, PROXY_TAG))


def _prepare(host: _Host, history: str) -> Iterator[Step]:
    release, here = host.release, host.here
    if here.adoption and here.adoption.item in here.idle:
        # It has the port that the proxy is to have.
        yield StopIdle(container=here.adoption.item.id, container_name=here.adoption.item.name)
    if here.proxy is None:
        yield MakeNetwork(network=network_name(release.app), app=release.app)
    if not here.adopts:
        yield from _proxy(host)
    for stray in host.parts.strays:
        if stray != host.parts.serving and stray not in plan_adoption.records(here):
            yield Discard(container=stray.id, container_name=stray.name)
    for item in host.parts.kept:
        if item.running and item != host.parts.serving:
            yield StopIdle(container=item.id, container_name=item.name)
    if host.parts.mine is None:
        yield Create(release=release, history=history)


def _proxy(host: _Host) -> Iterator[Step]:
    release, proxies = host.release, host.proxies
    for item in proxies.go:
        yield Discard(container=item.id, container_name=item.name)
    if proxies.stays is None:
        yield _new_proxy(host)
    elif not proxies.stays.running:
        yield ReviveProxy(app=release.app, container=proxies.stays.id, stops=host.here.adopts)


def _new_proxy(host: _Host) -> StartProxy:
    release, wishes = host.release, host.wishes
    sends_to = host.parts.serving or (host.parts.mine if host.parts.is_up else None)
    return StartProxy(
        app=release.app,
        image=release.proxy_image,
        address=wishes.app_port.address or "",
        port=wishes.app_port.port,
        made_from=wishes.proxy_made_from,
        sends_to=alias(sends_to) if sends_to else "",
        container_port=as_serving(sends_to, release.health).health.port if sends_to else 0,
    )


def _serve(host: _Host) -> list[Step]:
    release = host.release
    away = _take_over(host)
    if host.parts.is_up:
        return [AwaitHealth(release=release), *away, Settle(release=release)]
    if away:
        up: list[Step] = [Start(release=release), AwaitHealth(release=release)]
        switch = Switch(release=release, old=None, drain_timeout=host.wishes.drain_timeout)
        return [*away, *up, switch, Settle(release=release)]
    stop: list[Step] = [StopOld(old=host.old, release=release)] if host.old and host.recreate else []
    return [
        *stop,
        Start(release=release),
        AwaitHealth(release=release),
        Switch(release=release, old=host.old, drain_timeout=host.wishes.drain_timeout),
        Settle(release=release),
    ]


def _take_over(host: _Host) -> list[Step]:
    """What frees the port where somebody went back to an adopted container, and lets the proxy take it."""
    adoption = host.here.adoption
    if adoption is None or not host.here.adopts:
        return []
    timeout = host.release.health.timeout
    adopted = adoption.adopted
    return [Adopt(adopted=adopted), Close(adopted=adopted, timeout=timeout), *_proxy(host)]


def _retire(host: _Host) -> Iterator[Step]:
    release = host.release
    if host.old and not host.recreate:
        yield Drain(app=release.app, timeout=host.wishes.drain_timeout)
        yield StopOld(old=host.old, release=release)


def _commit(host: _Host) -> Iterator[Step]:
    release, plain = host.release, host.here.plain
    if host.parts.mine is not None and plain == host.parts.mine:
        return
    other = plain if plain and plain in (host.parts.serving, *host.parts.kept) else None
    yield Commit(
        release=release,
        old_id=other.id if other else "",
        old_name=f"{release.app}-{release_of(other)}" if other else "",
    )


def _prune(host: _Host) -> Step:
    """What served until now and does not belong to the fleet's past goes at the very end."""
    records = plan_adoption.records(host.here)
    gone = [item.id for item in host.parts.strays if item == host.parts.serving or item in records]
    return Prune(app=host.release.app, containers=tuple(gone))
