"""What the balancers over some hosts are asked before anything changes, and what is refused there."""

from collections.abc import Collection, Iterator, Mapping

from deploy.hosts.fleet import on_each
from deploy.hosts.probe import gather
from deploy.rollout import asking, balancer
from deploy.rollout.past import Past
from deploy.rollout.site import Site
from deploy.values.addresses import Published
from deploy.values.balancing import Balancer, Balancing, balancer_name, member_of
from deploy.values.errors import HostError
from deploy.values.facts import HostFacts
from deploy.values.settings import Settings


def balancers_over(
    sites: Mapping[str, Site],
    *,
    app: str,
    platforms: Collection[str],
    at: Published,
    asks: Collection[str] = (),
) -> Balancing:
    """Ask every balancer over some hosts.

    Args:
        sites: the hosts.
        app: the application's name.
        platforms: of the balancer's image.
        at: APP_PORT, of balancers and hosts.
        asks: the names of the team's hooks for a balancer of its own.

    Raises:
        HostError: one could not serve there; nothing has been changed.
    """
    over = next(iter(sites.values())).balancers
    looked = on_each(over, lambda site: _look(site, app, at)) if over else []
    refused = [
        f"{f.host.name}: {why}" for f, found in looked for why in _refusals(f, found, app, platforms, at)
    ]
    if refused:
        raise HostError(
            "The balancers would fail; nothing was changed.",
            details=refused,
            host=", ".join(dict.fromkeys(text.partition(": ")[0] for text in refused)),
            step="facts",
        )
    return Balancing(
        balancers=tuple(found for _, found in looked),
        members={name: member_of(site.host, at.port) for name, site in sites.items()},
        asks_out=asking.OUT in asks,
        asks_back=asking.BACK in asks,
    )


def balancers_before(
    fleet: Mapping[str, Past], sites: Mapping[str, Site], settings: Settings, *, asks: Collection[str]
) -> Balancing:
    """Ask every balancer over hosts that run what tells of no release, by today's settings.

    Args:
        fleet: the hosts.
        sites: the same, as they are reached.
        settings: today's.
        asks: as `balancers_over` takes them.

    Raises:
        HostError: one could not serve there; nothing has been changed.
    """
    return balancers_over(
        sites, app=settings.app_name, platforms=platforms_of(fleet), at=settings.app_port, asks=asks
    )


def platforms_of(fleet: Mapping[str, Past]) -> tuple[str, ...]:
    """Of the hosts, which the proxies' image is for."""
    return tuple(sorted({past.facts.platform for past in fleet.values()}))


def _look(site: Site, app: str, at: Published) -> tuple[HostFacts, Balancer]:
    facts = gather(site.connection, site.client, app_name=balancer_name(app), ports=[at.port])
    return facts, balancer.look(site, app)


def _refusals(
    here: HostFacts, found: Balancer, app: str, platforms: Collection[str], at: Published
) -> Iterator[str]:
    ours = {found.container, *(id_ for id_, _ in found.leftovers)}
    publishers = [item for item in here.publishing(at.port) if item.running]
    for item in here.containers:
        if item.id not in ours and (item.name == balancer_name(app) or item in publishers):
            holds = f" and holds port {at.port}" if item in publishers else ""
            yield (
                f"a container named {item.name} is there{holds} that is not this application's balancer. "
                f"Stop and remove it (`docker rm -f {item.name}`), or choose another APP_PORT."
            )
    if at.port in here.listening and not publishers:
        yield f"port {at.port} is taken by a process. Stop it (`sudo ss -ltnp 'sport = :{at.port}'`)."
    if not found.container and here.platform not in platforms:
        yield f"the image is for {', '.join(platforms)}, this balancer is {here.platform}."
