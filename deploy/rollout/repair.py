"""Bringing a fleet that a killed run left half done, or hosts that were left out, to one release."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from docker.errors import APIError

from deploy import credentials
from deploy.gateway import gateway_to
from deploy.hosts.fleet import on_each
from deploy.registry import Registry
from deploy.rollout import asking
from deploy.rollout.balancers import balancers_before, balancers_over, platforms_of
from deploy.rollout.changing import Intent, changing
from deploy.rollout.found import entry_of, release_of
from deploy.rollout.kept import in_files
from deploy.rollout.look import look_back
from deploy.rollout.mend import fleet_release, goes_back_to_adopted, parts_of
from deploy.rollout.nginx import read_made_from
from deploy.rollout.past import Past, made_from_of, remembered
from deploy.rollout.plan import Wishes
from deploy.rollout.plan_repair import plan_repair
from deploy.rollout.plan_return import plan_return
from deploy.rollout.refusals import Wanted, refuse
from deploy.rollout.release import image_on_host, user_ids
from deploy.rollout.site import Bench, Site
from deploy.rollout.strategy import choose
from deploy.rollout.survey import Manner, Rollout, look
from deploy.values import labels
from deploy.values.addresses import Published
from deploy.values.errors import HostError
from deploy.values.events import Stream
from deploy.values.facts import ContainerFacts
from deploy.values.plan import Plan
from deploy.values.release import ContainerSpec, HealthCheck, Release
from deploy.values.result import Result
from deploy.values.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Mending:
    """What a repair may use. Of the settings, those that say where the hosts are and how to roll out."""

    settings: Settings
    manner: Manner
    now: datetime
    by: str
    """`user@machine`."""
    learn: Callable[[Iterable[str]], None]
    """Hears the secrets of the fleet's release, which today's settings may not know."""
    registry: Callable[[], Registry]
    """Opens the settings' registry; called only where hosts pull through this machine."""


def repair(wish: Mending, bench: Bench, stream: Stream) -> Result:
    """Bring every host to the release that the fleet is on; does nothing where that is so.

    Raises:
        LockedError: somebody else is deploying this application there.
        HostError: a host is unreachable, or no release has ever finished; nothing was changed.
        RolledBack, LeftBroken, LeftDifferent, Interrupted: as `execute` says.
    """
    settings = wish.settings
    with changing(_intent(wish), bench, stream) as fleet:
        with stream.step("look", "at what each host is on"):
            pasts = look_back(
                fleet.sites,
                app=settings.app_name,
                profile=settings.profile,
                secrets=settings.secret_variables(),
            )
        plan = _plan(wish, pasts, fleet.sites, stream, asks=asking.there(bench.root))
        wish.learn(plan.release.spec.secret_values())
        pulls = _lacking(pasts, plan.release.id) or plan.balancers
        auth = credentials.for_pulls(settings) if pulls else None
        images = (plan.release.image, plan.release.proxy_image)
        gateway = gateway_to(wish.registry, settings, images) if pulls else None
        return fleet.carry_out(plan, bench, registry_auth=auth, gateway=gateway)


def _intent(wish: Mending) -> Intent:
    return Intent(
        task="repair",
        profile=wish.settings.profile,
        app=wish.settings.app_name,
        inventory=wish.settings.inventory(),
        manner=wish.manner,
        by=wish.by,
        since=wish.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        brings="a repair",
    )


def _plan(
    wish: Mending,
    fleet: Mapping[str, Past],
    sites: Mapping[str, Site],
    stream: Stream,
    *,
    asks: Collection[str],
) -> Plan:
    if goes_back_to_adopted({host: past.found for host, past in fleet.items()}):
        over = balancers_before(fleet, sites, wish.settings, asks=asks)
        plan = plan_return(fleet, wish.settings, over, everywhere=False)
        stream.note(f"The fleet is on {plan.release.tag}.")
        return plan
    item = fleet_release({sites[host].host.place: past.found for host, past in fleet.items()})
    on_it = [host for host, past in fleet.items() if (last := past.found.committed) and _same(last, item)]
    stream.note(
        f"The fleet is on {item.labels.get(labels.TAG, '')} ({release_of(item)}), "
        f"which finished last on {len(on_it)} of {len(fleet)} hosts."
    )
    release, app_port, made_from = _release(item, fleet)
    settings = wish.settings
    wishes = Wishes(
        app_port=app_port,
        batch=settings.batch,
        keep_releases=settings.keep_releases,
        drain_timeout=settings.drain_timeout,
        proxy_made_from=made_from,
    )
    _refuse(release, wishes, settings, fleet, sites, on_it[0])
    found = {host: past.found for host, past in fleet.items()}
    ways = {host: choose(settings.strategy, release, past.facts, past.found) for host, past in fleet.items()}
    balancing = balancers_over(sites, app=release.app, platforms=platforms_of(fleet), at=app_port, asks=asks)
    return plan_repair(release, item.labels.get(labels.HISTORY, "[]"), found, ways, wishes, balancing)


def _same(one: ContainerFacts, other: ContainerFacts) -> bool:
    return release_of(one) == release_of(other)


def _lacking(fleet: Mapping[str, Past], release: str) -> list[str]:
    """The hosts without a container of a release."""
    return [host for host, past in fleet.items() if parts_of(past.found, release).mine is None]


def _down(fleet: Mapping[str, Past], release: str) -> list[str]:
    """The hosts where a release does not run."""
    return [host for host, past in fleet.items() if not parts_of(past.found, release).is_up]


def _release(item: ContainerFacts, fleet: Mapping[str, Past]) -> tuple[Release, Published, str]:
    """The fleet's release as its containers tell of it, and what the proxies are made from."""
    entry, said = entry_of(item), item.labels
    spec, health = _spec_and_health(item, fleet)
    made_from = made_from_of(fleet, labels.PROXY)
    if not made_from:
        raise HostError(
            "No host has a proxy to tell how they are made.",
            advice="Run `invoke deploy`, which sets them up.",
        )
    proxy_image, app_port = read_made_from(made_from)
    release = Release(
        id=entry.id,
        app=said.get(labels.APP, ""),
        profile=said.get(labels.PROFILE, ""),
        image=entry.image,
        digest=entry.digest,
        tag=entry.tag,
        proxy_image=proxy_image,
        commit=entry.commit,
        author=entry.author,
        subject=entry.subject,
        deployed_by=entry.who,
        deployed_at=entry.when,
        origin=entry.origin,
        fingerprint=said.get(labels.SETTINGS, ""),
        spec=spec,
        health=health,
    )
    return release, app_port, made_from


def _spec_and_health(item: ContainerFacts, fleet: Mapping[str, Past]) -> tuple[ContainerSpec, HealthCheck]:
    """What a release runs with, as any of its containers tells, and how it is checked."""
    entry = entry_of(item)
    known = [one for one in remembered(fleet, entry).values() if one.health]
    kept = next((one for one in known if one.spec), known[0] if known else None)
    if kept is None or kept.health is None:
        raise HostError(
            f"The containers of {entry.tag} do not tell how they were checked.",
            advice="Run `invoke deploy`, which replaces them.",
        )
    if kept.spec is not None:
        return kept.spec, kept.health
    if lacking := _lacking(fleet, entry.id):
        raise HostError(
            f"The containers of {entry.tag} do not tell what they run with.",
            advice="Run `invoke deploy`, which replaces them.",
            host=", ".join(lacking),
        )
    if in_files(item.labels) and (down := _down(fleet, entry.id)):
        raise HostError(
            f"The secrets of {entry.tag} were files in memory, which a reboot has emptied.",
            why="Today's settings have others than it ran with.",
            advice="Run `invoke deploy`, which brings a release with today's.",
            host=", ".join(down),
        )
    # Its containers are there on every host: where they listen is all that is needed of them.
    return ContainerSpec(environment={}, port=kept.health.port), kept.health


def _others(
    release: Release,
    known: str,
    fleet: Mapping[str, Past],
    lacking: Sequence[Site],
    auth: Mapping[str, str] | None,
) -> tuple[str, ...]:
    """For which other platforms the registry has a release's image; asked by a host that needs it."""
    asking = next((site for site in lacking if fleet[site.host.name].facts.platform != known), None)
    if asking is None:
        return ()
    try:
        told = asking.api.inspect_distribution(release.image, auth_config=auth)
    except APIError:
        return ()  # Then its platform is refused, or the pull tells what is wrong with the registry.
    return tuple(f"{each.get('os')}/{each.get('architecture')}" for each in told.get("Platforms") or ())


def _refuse(
    release: Release,
    wishes: Wishes,
    settings: Settings,
    fleet: Mapping[str, Past],
    sites: Mapping[str, Site],
    holder: str,
) -> None:
    """Refuse what would fail on hosts where the release has never been."""
    lacking = _lacking(fleet, release.id)
    if not lacking:
        return
    image = image_on_host(sites[holder].api.inspect_image(release.image))
    auth = credentials.for_pulls(settings)
    others = _others(release, image.platform, fleet, [sites[host] for host in lacking], auth)
    wanted = Wanted(
        release=release,
        platforms=(image.platform, *others),
        app_port=wishes.app_port,
        strategy=settings.strategy,
        user=user_ids(release, image),
    )
    rollout = Rollout(
        wanted=wanted, wishes=wishes, inventory=settings.inventory(), registry_auth=None, manner=Manner()
    )
    looked = on_each([sites[host] for host in lacking], lambda site: look(site, rollout))
    refuse(
        wanted,
        dict(zip(lacking, (each[0] for each in looked), strict=True)),
        dict(zip(lacking, (each[1] for each in looked), strict=True)),
    )
