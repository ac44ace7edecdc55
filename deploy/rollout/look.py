"""What each host could go back to; takes no lock and changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from deploy.hosts.fleet import on_each
from deploy.hosts.probe import gather
from deploy.rollout import nginx, secret_files
from deploy.rollout.containers import exists
from deploy.rollout.found import Found, find, health_of, release_of
from deploy.rollout.health import Inspect
from deploy.rollout.kept import NO_FILES, in_files, read_spec
from deploy.rollout.past import Past, Remembered
from deploy.rollout.reach import reach
from deploy.rollout.release import is_shape_of
from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.events import Stream
from deploy.values.history import Entry
from deploy.values.inventory import Inventory
from deploy.values.release import ContainerSpec, HealthCheck, proxy_name

NOT_SAID = HealthCheck(path="/", port=0, below=500, timeout=0)


def look_back(
    sites: Mapping[str, Site], *, app: str, profile: str, secrets: Mapping[str, str] = NO_FILES
) -> dict[str, Past]:
    """Ask every host what it has been through.

    Args:
        sites: the hosts, by name.
        app: the application's name.
        profile: the profile.
        secrets: today's, by name, for those that were files and are gone; only the very same count.

    Raises:
        HostError: a host does not answer.
    """
    pasts = on_each(
        list(sites.values()), lambda site: past_of(site, app=app, profile=profile, secrets=secrets)
    )
    return dict(zip(sites, pasts, strict=True))


def past_of(site: Site, *, app: str, profile: str, secrets: Mapping[str, str] = NO_FILES) -> Past:
    """Ask one host."""
    facts = gather(site.connection, site.client, app_name=app)
    name = proxy_name(app)
    runs = any(item.name == name and item.state == "running" for item in facts.containers)
    sends_to = nginx.told(site.connection, nginx.inspect(site, name)) if runs else ""
    found = find(facts, app=app, profile=profile, sends_to=sends_to)
    images = {digest for image in site.api.images() for digest in image.get("RepoDigests") or ()}
    seen = {release: document for release, document in _inspected(site, found).items() if document}
    filed = [release for release, document in seen.items() if in_files(document["Config"]["Labels"])]
    files = secret_files.read(site, app, filed)
    releases = tuple(
        _remembered(entry, seen.get(entry.id), images, (files.get(entry.id, NO_FILES), secrets))
        for entry in found.chain
    )
    return Past(facts=facts, found=found, releases=releases)


def _inspected(site: Site, found: Found) -> dict[str, Inspect | None]:
    items = {release_of(item): item.id for item in (found.plain, found.serving, *found.kept) if item}
    return {release: exists(site, container) for release, container in items.items()}


def _remembered(
    entry: Entry, seen: Inspect | None, images: set[str], files: Sequence[Mapping[str, str]]
) -> Remembered:
    health = health_of(seen["Config"]["Labels"], NOT_SAID) if seen else NOT_SAID
    return Remembered(
        entry=entry,
        spec=_spec(seen, health, files) if seen and health != NOT_SAID else None,
        health=None if health == NOT_SAID else health,
        has_image=entry.image in images,
    )


def _spec(seen: Inspect, health: HealthCheck, files: Sequence[Mapping[str, str]]) -> ContainerSpec | None:
    """What it ran with, by the first of several sources of its files that have them."""
    said, image = seen["Config"]["Labels"], seen["Config"]["Image"]
    if not in_files(said):
        return read_spec(seen)
    specs = (read_spec(seen, source) for source in files)
    same = (spec for spec in specs if spec and is_shape_of(said[labels.SETTINGS], image, spec, health))
    return next(same, None)


def releases(app: str, profile: str, inventory: Inventory, stream: Stream) -> list[dict[str, object]]:
    """One row a host and release: what serves, and what the host could go back to.

    Raises:
        HostError: a host cannot be reached.
    """
    with reach(replace(inventory, balancers=()), stream) as sites:
        fleet = look_back(sites, app=app, profile=profile)
    now = datetime.now(UTC)
    return [row for host, past in fleet.items() for row in _rows(host, past, now)]


def _rows(host: str, past: Past, now: datetime) -> list[dict[str, object]]:
    return [
        {
            "host": host,
            "release": one.entry.tag,
            "id": one.entry.id,
            "from": _source(one, past.found),
            "age": age(one.entry.when, now),
            "commit": one.entry.commit[:12],
            "author": one.entry.author,
            "by": one.entry.who,
            "deployed_at": one.entry.when,
            "digest": one.entry.digest,
        }
        for one in past.releases
    ]


def _source(one: Remembered, found: Found) -> str:
    """Whether it serves, or else where going back to it takes it from."""
    last = found.committed
    if one.entry.adopted:
        return "serves" if found.is_on_adopted else "container" if found.adoption else "gone"
    return "serves" if last and one.entry.id == release_of(last) else one.source


def age(when: str, now: datetime) -> str:
    """How long ago, in the unit that says most; empty when the moment makes no sense."""
    try:
        seconds = (now - datetime.fromisoformat(when)).total_seconds()
    except (ValueError, TypeError):
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
