"""Going back to an earlier release: a rollout of what its kept container tells, by the same steps."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from deploy import credentials
from deploy.gateway import gateway_to
from deploy.hosts.fleet import on_each
from deploy.registry import Registry
from deploy.rollout import asking
from deploy.rollout.balancers import balancers_before
from deploy.rollout.changing import Intent, changing, leaving_out
from deploy.rollout.look import look_back
from deploy.rollout.nginx import made_from, read_made_from
from deploy.rollout.past import Past, Remembered, made_from_of, remembered, target
from deploy.rollout.plan import Wishes
from deploy.rollout.plan_return import plan_return
from deploy.rollout.refusals import Wanted
from deploy.rollout.registered import Images, contents_of, images_of
from deploy.rollout.release import (
    ImageFacts,
    fingerprint,
    health_of_settings,
    image_on_host,
    new_rollout_id,
    spec_of_settings,
    user_ids,
)
from deploy.rollout.site import Bench, Site
from deploy.rollout.survey import Manner, Rollout, survey
from deploy.setup import trust
from deploy.values import labels
from deploy.values.errors import Failure, HostError
from deploy.values.events import Stream
from deploy.values.history import Entry
from deploy.values.reference import parse_reference
from deploy.values.release import Release
from deploy.values.result import Result
from deploy.values.settings import Settings


@dataclass(frozen=True, kw_only=True)
class GoingBack:
    """What is wished, and what it may ask for."""

    settings: Settings
    """Today's: where the hosts are, how to roll out, and what the release runs with when nothing is kept."""
    to: str
    """A rollout id or a tag; empty for the release before this one."""
    current_settings: bool
    """Whether today's settings count instead of those that it ran with."""
    manner: Manner
    now: datetime
    deployed_by: str
    """`user@machine`."""
    registry: Callable[[], Registry]
    """Opens the settings' registry; called only when a host lacks something."""
    learn: Callable[[Iterable[str]], None]
    """Hears the secrets of the earlier release, which today's settings may not know."""


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """The release to go back to, and what each host has of it."""

    entry: Entry
    by_host: Mapping[str, Remembered]
    missing: tuple[str, ...]
    """Hosts without its image."""
    image: str
    """The reference to start it by."""
    kept: Remembered | None
    """One that tells what it ran with; None when today's settings count."""


def roll_back(wish: GoingBack, bench: Bench, stream: Stream) -> Result:
    """Bring an earlier release to every host again, or put every touched host back.

    Raises:
        InputError: no release is called as wished.
        LockedError: somebody else is deploying this application there.
        HostError: a host is unreachable, or cannot go back; nothing was changed.
        BuildError: the registry was needed, and failed; nothing was changed.
        RolledBack, LeftBroken, LeftDifferent, Interrupted: as `execute` says.
    """
    settings = wish.settings
    with changing(_intent(wish), bench, stream) as fleet:
        with stream.step("look", "what the hosts can go back to"):
            pasts = look_back(
                fleet.sites,
                app=settings.app_name,
                profile=settings.profile,
                secrets=settings.secret_variables(),
            )
        entry = target(pasts, wish.to)
        stream.note(f"Back to {entry.tag}{_told_of(entry)}.")
        if entry.adopted:
            over = balancers_before(pasts, fleet.sites, settings, asks=asking.there(bench.root))
            return fleet.carry_out(plan_return(pasts, settings, over), bench)
        chosen = _choose(wish, entry, pasts, stream)
        rollout = leaving_out(_rollout(wish, chosen, pasts, fleet.sites), fleet.left_out)
        wish.learn(rollout.wanted.release.spec.secret_values())
        plan = survey(rollout, fleet.sites, stream, asks=asking.there(bench.root)).plan
        return fleet.carry_out(plan, bench, registry_auth=rollout.registry_auth, gateway=rollout.gateway)


def _intent(wish: GoingBack) -> Intent:
    return Intent(
        task="rollback",
        profile=wish.settings.profile,
        app=wish.settings.app_name,
        inventory=wish.settings.inventory(),
        manner=wish.manner,
        by=wish.deployed_by,
        since=_stamp(wish.now),
        brings=f"an earlier release, {wish.to or 'the one before'}",
    )


def _told_of(entry: Entry) -> str:
    by = "started otherwise" if entry.adopted else f"deployed by {entry.who or 'nobody known'}"
    return f", {by}{entry.when and ' at ' + entry.when}"


def _choose(wish: GoingBack, entry: Entry, fleet: Mapping[str, Past], stream: Stream) -> _Chosen:
    by_host = remembered(fleet, entry)
    missing = tuple(host for host in fleet if host not in by_host or not by_host[host].has_image)
    kept = next((one for one in by_host.values() if one.spec and one.health), None)
    if kept is None and not wish.current_settings:
        stream.warning(
            "No host has its container and secrets any more: the image of then runs with today's settings."
        )
    return _Chosen(
        entry=entry,
        by_host=by_host,
        missing=missing,
        image=_pullable(entry, wish.settings) if missing else entry.image,
        kept=None if wish.current_settings else kept,
    )


def _pullable(entry: Entry, settings: Settings) -> str:
    """The image's reference at today's registry, which may be known by another address than then."""
    return f"{settings.registry_at_hosts}/{parse_reference(entry.image).path}@{entry.digest}"


def _rollout(
    wish: GoingBack, chosen: _Chosen, fleet: Mapping[str, Past], sites: Mapping[str, Site]
) -> Rollout:
    settings = wish.settings
    images = _images(wish, chosen, sites)
    image = next(iter(images.values()))
    proxies = made_from_of(fleet, labels.PROXY)
    if not proxies:
        raise HostError(
            "No host has a proxy, and going back starts none but what was there.",
            advice="Run `invoke deploy`, which sets it up.",
        )
    proxy_image, app_port = read_made_from(proxies)
    if wish.current_settings:
        app_port, proxies = settings.app_port, made_from(proxy_image, settings.app_port)
    release = _release(wish, chosen, image, proxy_image)
    pulls = bool(chosen.missing or settings.balancers)
    return Rollout(
        wanted=Wanted(
            release=release,
            platforms=tuple(images),
            app_port=app_port,
            strategy=settings.strategy,
            user=user_ids(release, image),
            trust=trust.of_hosts(settings) if chosen.missing else None,
            contents=contents_of(release.image, images) if chosen.missing else (),
            adopt=any(past.found.is_on_adopted for past in fleet.values()),
        ),
        wishes=Wishes(
            app_port=app_port,
            batch=settings.batch,
            keep_releases=settings.keep_releases,
            drain_timeout=settings.drain_timeout,
            proxy_made_from=proxies,
        ),
        inventory=settings.inventory(),
        registry_auth=credentials.for_pulls(settings) if pulls else None,
        gateway=gateway_to(wish.registry, settings, (release.image, proxy_image)) if pulls else None,
        manner=wish.manner,
    )


def _images(wish: GoingBack, chosen: _Chosen, sites: Mapping[str, Site]) -> Images:
    """What the image says of itself, by the hosts; by the registry where any host lacks it."""
    if chosen.missing:
        return _ask_registry(wish, chosen)
    seen = on_each(
        list(sites.values()), lambda site: image_on_host(site.api.inspect_image(chosen.entry.image))
    )
    return {image.platform: image for image in seen}


def _ask_registry(wish: GoingBack, chosen: _Chosen) -> Images:
    """See that the hosts without the image can pull it, before anything is touched."""
    reference = parse_reference(chosen.image)
    try:
        registry = wish.registry()
        if registry.digest(reference.path, reference.digest) is None:
            raise HostError(f"{registry.address} does not have {reference.path}@{reference.digest} any more.")
        return images_of(registry, reference.path, reference.digest)
    except Failure as error:
        raise HostError(
            f"Cannot go back to {chosen.entry.tag}: its image is gone from {', '.join(chosen.missing)}, "
            "and cannot be pulled. Nothing was changed.",
            why=f"{error.what} {error.why}".strip(),
            advice="Mend the registry, or choose another: `invoke releases` lists what the hosts have.",
            host=", ".join(chosen.missing),
            step="look",
        ) from error


def _release(wish: GoingBack, chosen: _Chosen, image: ImageFacts, proxy_image: str) -> Release:
    entry, kept, settings = chosen.entry, chosen.kept, wish.settings
    release = Release(
        id=new_rollout_id(wish.now),
        app=settings.app_name,
        profile=settings.profile,
        image=chosen.image,
        digest=entry.digest,
        tag=entry.tag,
        proxy_image=proxy_image,
        commit=entry.commit,
        author=entry.author,
        subject=entry.subject,
        deployed_by=wish.deployed_by,
        deployed_at=_stamp(wish.now),
        origin=entry.first if kept else "",
        spec=kept.spec if kept and kept.spec else spec_of_settings(settings, image),
        health=kept.health if kept and kept.health else health_of_settings(image, settings),
    )
    return replace(release, fingerprint=fingerprint(release, salt=release.id))


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
