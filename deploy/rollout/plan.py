"""From a release and the facts of every host to frozen steps. Pure: it only decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.rollout import kept, plan_adoption
from deploy.rollout.balance import Balance, merged
from deploy.rollout.found import Found, as_serving, before, fleet_chain, release_of
from deploy.rollout.release import unchanged
from deploy.rollout.stages import batched, together
from deploy.rollout.strategy import Way
from deploy.values import history, labels
from deploy.values.addresses import Published
from deploy.values.balancing import Balancing
from deploy.values.facts import ContainerFacts
from deploy.values.history import Entry
from deploy.values.plan import HostPlan, Plan, Stage
from deploy.values.release import PROXY_TAG, Release, local_tag, network_name
from deploy.values.sizes import Batch
from deploy.values.steps import (
    AwaitHealth,
    Commit,
    Create,
    Discard,
    Drain,
    MakeNetwork,
    Monitor,
    Prune,
    Pull,
    Start,
    StartProxy,
    Step,
    StopIdle,
    StopOld,
    Switch,
)

NO_BALANCING = Balancing()


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the settings say of the rollout itself."""

    app_port: Published
    batch: Batch
    keep_releases: int
    drain_timeout: float
    """Seconds."""
    proxy_made_from: str
    """The `proxy` label that a host's proxy must have."""
    force: bool = False
    """Replace even where nothing would change."""


def make_plan(
    release: Release,
    found: Mapping[str, Found],
    ways: Mapping[str, Way],
    wishes: Wishes,
    balancing: Balancing = NO_BALANCING,
) -> Plan:
    """Plan a release over the hosts, in their order.

    Each stage ends on every host before the next begins: nothing is stopped before everything is pulled and
    created, and nothing is committed before every host is healthy.
    """
    hosts = _hosts(release, found, ways)
    balance = balance_of(release, found, wishes, balancing)
    if not wishes.force and all(is_unchanged(here, release, wishes) for here in found.values()):
        stages = [] if balance.is_in_order else balance.alone()
        return finished_plan(release, hosts, stages, balancing)
    first, rest, size = balance.turns(list(found), wishes.batch, fleet=len(found))
    late = {host for host in found if balancing.active and proxy_is_replaced(found[host], wishes)}
    replace = {
        host.host: balance.around(
            host.host, _replace(release, host, found[host.host], wishes, with_proxy=host.host in late)
        )
        for host in hosts
    }
    watch = (Monitor(release=release),) if release.health.monitor else ()
    chains = chains_before(release, found)
    stages = [
        together("pull", {host: _pulls(release, here, wishes) for host, here in found.items()}),
        together(
            "prepare",
            {
                host: _prepare(release, here, wishes, chains[host], with_proxy=host not in late)
                for host, here in found.items()
            },
        ),
        together("first", {host: replace[host] for host in first}),
        together("monitor", dict.fromkeys(first, watch)),
        batched("next", {host: replace[host] for host in rest}, size),
        together("monitor", dict.fromkeys(rest, watch)),
        together("drain", {host.host: _retire(release, host, wishes) for host in hosts}),
        together("commit", {host: _commit(release, here) for host, here in found.items()}),
        together(
            "prune", {h: _prune(release, here, wishes, chains[h]) for h, here in found.items()}, after=True
        ),
    ]
    return finished_plan(release, hosts, merged(stages, [*balance.ahead(), *balance.behind()]), balancing)


def _hosts(release: Release, found: Mapping[str, Found], ways: Mapping[str, Way]) -> tuple[HostPlan, ...]:
    return tuple(
        HostPlan(
            host=host,
            was=before(here, release.health),
            strategy=ways[host].strategy,
            why=ways[host].why,
            there=here.releases,
        )
        for host, here in found.items()
    )


def finished_plan(
    release: Release, hosts: tuple[HostPlan, ...], stages: Sequence[Stage], balancing: Balancing
) -> Plan:
    """A plan of the stages in which there is anything to do."""
    chosen = tuple(stage for stage in stages if stage.batches)
    return Plan(release=release, hosts=hosts, stages=chosen, balancers=balancing.balancers)


def balance_of(release: Release, found: Mapping[str, Found], wishes: Wishes, balancing: Balancing) -> Balance:
    """What stands before the hosts, and which of them serve."""
    was = {host: before(here, release.health) for host, here in found.items()}
    return Balance(
        release=release,
        balancing=balancing,
        app_port=wishes.app_port,
        made_from=wishes.proxy_made_from,
        drain_timeout=wishes.drain_timeout,
        serving={host: one.health for host, one in was.items() if one and one.running},
    )


def is_unchanged(here: Found, release: Release, wishes: Wishes) -> bool:
    """Whether a host already serves exactly this: same image, same settings, committed, nothing left over."""
    serving = here.serving
    return (
        serving is not None
        and serving == here.plain
        and serving.state == "running"
        and not here.leftovers
        and not here.idle
        and _has_proxy(here, wishes)
        and unchanged(release, serving.labels.get(labels.SETTINGS, ""))
    )


def _pulls(release: Release, here: Found, wishes: Wishes) -> list[Step]:
    pulls: list[Step] = [Pull(image=release.image, keep_as=local_tag(release.app, release.id))]
    if not _has_proxy(here, wishes):
        pulls.append(Pull(image=release.proxy_image, keep_as=local_tag(release.app, PROXY_TAG)))
    return pulls


def _has_proxy(here: Found, wishes: Wishes) -> bool:
    """Whether the proxy runs as it should; one that does not is replaced."""
    return (
        here.proxy is not None
        and not here.adopts
        and here.proxy.running
        and here.proxy.labels.get(labels.PROXY) == wishes.proxy_made_from
    )


def chains_before(release: Release, found: Mapping[str, Found]) -> dict[str, tuple[Entry, ...]]:
    """By host, the releases that finished before this one; a new host takes over the fleet's.

    An earlier rollout of the very same release is left out: going forth and back would push out the others.
    """
    fleet = fleet_chain(found.values())
    return {
        host: tuple(entry for entry in here.chain or fleet if entry.first != (release.origin or release.id))
        for host, here in found.items()
    }


def proxy_is_replaced(here: Found, wishes: Wishes) -> bool:
    """Whether a host's proxy makes way for another, which closes APP_PORT for a moment."""
    return here.proxy is not None and not here.adopts and not _has_proxy(here, wishes)


def _prepare(
    release: Release, here: Found, wishes: Wishes, chain: Sequence[Entry], *, with_proxy: bool
) -> list[Step]:
    records = plan_adoption.records(here)
    steps: list[Step] = [
        Discard(container=item.id, container_name=item.name) for item in here.leftovers if item not in records
    ]
    idle = [*here.idle, *(item for item in records if item.running)]
    steps += [StopIdle(container=item.id, container_name=item.name) for item in idle]
    if here.proxy is None:
        steps.append(MakeNetwork(network=network_name(release.app), app=release.app))
    if with_proxy and not _has_proxy(here, wishes) and not here.adopts:
        steps.append(_proxy(release, here, wishes))
    return [*steps, Create(release=release, history=history.write(history.latest(chain)))]


def _proxy(release: Release, here: Found, wishes: Wishes) -> StartProxy:
    serving = as_serving(here.serving, release.health) if here.serving else None
    return StartProxy(
        app=release.app,
        image=release.proxy_image,
        address=wishes.app_port.address or "",
        port=wishes.app_port.port,
        made_from=wishes.proxy_made_from,
        replaces=here.proxy.id if here.proxy else "",
        sends_to=serving.alias if serving else "",
        container_port=serving.health.port if serving else 0,
        resumes=not here.adopts,
    )


def _replace(
    release: Release, host: HostPlan, here: Found, wishes: Wishes, *, with_proxy: bool
) -> list[Step]:
    """Start, check and switch; recreate stops the old one before that, start-first long after.

    One that was adopted is stopped in either case: it has the port that the proxy is to serve. A proxy that
    is replaced while balancers send nothing here goes first.
    """
    proxy: list[Step] = [_proxy(release, here, wishes)] if with_proxy else []
    up: list[Step] = [*proxy, Start(release=release), AwaitHealth(release=release)]
    old = None if here.adopts else host.was
    switch = Switch(release=release, old=old, drain_timeout=wishes.drain_timeout)
    if here.adoption and here.adopts:
        taking = _proxy(release, here, wishes)
        first = host.strategy == "start-first" and here.adoption.item.running
        return plan_adoption.take_over(here.adoption.adopted, release, up, taking, switch, start_first=first)
    return [*_stop(release, host), *up, switch] if host.strategy == "recreate" else [*up, switch]


def _retire(release: Release, host: HostPlan, wishes: Wishes) -> list[Step]:
    """After a start-first: the old one goes when its last requests are answered.

    That is when every host has switched: no host's draining holds up another's start.
    """
    if host.strategy == "recreate" or host.was is None or host.was.adopted:
        return []
    return [Drain(app=release.app, timeout=wishes.drain_timeout), *_stop(release, host)]


def _stop(release: Release, host: HostPlan) -> list[Step]:
    return [StopOld(old=host.was, release=release)] if host.was else []


def _commit(release: Release, here: Found) -> list[Step]:
    plain = here.plain
    return [
        Commit(
            release=release,
            old_id=plain.id if plain else "",
            old_name=f"{release.app}-{release_of(plain)}" if plain else "",
        )
    ]


def _prune(release: Release, here: Found, wishes: Wishes, chain: Sequence[Entry]) -> list[Step]:
    """Keep the newest KEEP_RELEASES of those that finished; one that served and did not finish goes too."""
    stay = {entry.id for entry in chain[: wishes.keep_releases]}
    gone = [item.id for item in _earlier(here) if release_of(item) not in stay]
    gone += [item.id for item in plan_adoption.records(here)]
    if here.proxy and not _has_proxy(here, wishes):
        gone.append(here.proxy.id)
    in_files = any(kept.in_files(item.labels) for item in [*here.ours, *here.leftovers])
    return [Prune(app=release.app, containers=tuple(gone), secret_files=in_files)]


def _earlier(here: Found) -> list[ContainerFacts]:
    return [*([here.serving] if here.serving else []), *here.kept]
