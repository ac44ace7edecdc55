"""What every host says before anything changes, and the plan that follows from it; changes nothing itself."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from deploy.gateway import Gateway
from deploy.hosts.fleet import on_each
from deploy.hosts.probe import gather
from deploy.rollout import nginx, steps
from deploy.rollout.adopt import answers
from deploy.rollout.adoption import in_the_way
from deploy.rollout.balancers import balancers_over
from deploy.rollout.found import Found, find
from deploy.rollout.plan import Wishes, make_plan
from deploy.rollout.refusals import Wanted, refuse, tight
from deploy.rollout.release import ImageFacts
from deploy.rollout.site import Site
from deploy.rollout.stock import take_stock
from deploy.rollout.strategy import choose
from deploy.values.balancing import Balancing
from deploy.values.errors import Failure
from deploy.values.events import Stream
from deploy.values.facts import HostFacts
from deploy.values.inventory import Inventory
from deploy.values.plan import Plan
from deploy.values.release import proxy_name


@dataclass(frozen=True, kw_only=True)
class Manner:
    """What the user asks for besides: how to go about locks, silent hosts and failures."""

    wait: float = 0
    """Seconds to wait for whoever holds a lock."""
    skip_unreachable: bool = False
    """Go on without the hosts that do not answer."""
    pause: bool = False
    """Leave a failed fleet as it is, for a look, instead of going back."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What is to be rolled out, where, and how."""

    wanted: Wanted
    wishes: Wishes
    inventory: Inventory
    registry_auth: Mapping[str, str] | None
    """As the Docker SDK's `auth_config`."""
    gateway: Gateway | None = None
    """What the hosts pull through; None where they reach the registry."""
    image: ImageFacts | None = None
    """What the release's image says of itself; None when it was not asked."""
    manner: Manner = Manner()


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A fleet as it was found, and what a rollout would do there."""

    facts: Mapping[str, HostFacts]
    found: Mapping[str, Found]
    plan: Plan
    healthy: bool = True
    """Whether what serves, and would else be left as it is, is well."""
    balancing: Balancing = field(default_factory=Balancing)
    """What stands before the hosts."""


def survey(
    rollout: Rollout, sites: Mapping[str, Site], stream: Stream, *, asks: Collection[str] = ()
) -> Survey:
    """Ask every host, refuse what would fail, and plan.

    Args:
        rollout: what is to be rolled out.
        sites: the hosts, which know their balancers.
        stream: hears of it.
        asks: the names of the team's hooks for a balancer of its own.

    Raises:
        HostError: a host does not answer, or the rollout would fail there.
    """
    release = rollout.wanted.release
    with stream.step("facts", "of every host"):
        looked = on_each(list(sites.values()), lambda site: look(site, rollout))
        balancing = balancers_over(
            sites, app=release.app, platforms=rollout.wanted.platforms, at=rollout.wanted.app_port, asks=asks
        )
    facts = dict(zip(sites, (each[0] for each in looked), strict=True))
    found = dict(zip(sites, (each[1] for each in looked), strict=True))
    refuse(rollout.wanted, facts, found)
    for host, here in facts.items():
        if words := tight(rollout.wanted, here):
            stream.warning(words, step="facts", host=host)
    ways = {host: choose(rollout.wanted.strategy, release, facts[host], found[host]) for host in sites}
    plan = make_plan(release, found, ways, rollout.wishes, balancing)
    healthy = any(plan.steps(host) for host in sites) or _all_healthy(plan, sites)
    if not healthy:
        plan = make_plan(release, found, ways, replace(rollout.wishes, force=True), balancing)
    return Survey(facts=facts, found=found, plan=plan, healthy=healthy, balancing=balancing)


def look(site: Site, rollout: Rollout) -> tuple[HostFacts, Found]:
    """The facts of a host, and what its containers say; with the alias that its proxy really sends to."""
    release = rollout.wanted.release
    user, group = rollout.wanted.user or (None, None)
    facts = gather(
        site.connection,
        site.client,
        app_name=release.app,
        ports=[rollout.wanted.app_port.port],
        mounts=release.spec.mounts,
        log_file=release.spec.log_file,
        uid=user,
        gid=group,
        authority=rollout.wanted.trust.ca_file if rollout.wanted.trust else "",
    )
    facts = replace(facts, stock=take_stock(site.api))
    name = proxy_name(release.app)
    runs = any(item.name == name and item.state == "running" for item in facts.containers)
    sends_to = nginx.told(site.connection, nginx.inspect(site, name)) if runs else ""
    at = rollout.wanted.app_port
    foreign = in_the_way(facts, app=release.app, port=at.port)
    found = find(
        facts,
        app=release.app,
        profile=release.profile,
        sends_to=sends_to,
        at=at,
        answered=any(item.running for item in foreign) and answers(site, at),
    )
    return facts, found


def _all_healthy(plan: Plan, sites: Mapping[str, Site]) -> bool:
    """Whether what serves, and would not be replaced, is really healthy."""
    was = {host.host: host.was for host in plan.hosts}
    try:
        on_each(
            list(sites.values()),
            lambda site: steps.back_in_service(site, plan.release.app, was[site.host.name]),
        )
    except Failure:
        return False
    return True
