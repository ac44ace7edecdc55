"""A rollout from its beginning to its end: one transaction over all hosts of a profile."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

from deploy.hosts.connection import Connection
from deploy.hosts.engine import through
from deploy.hosts.fleet import connections, on_each
from deploy.hosts.lock import Owner, hold_all
from deploy.hosts.probe import gather
from deploy.rollout import proxy, steps
from deploy.rollout.execute import execute
from deploy.rollout.found import Found, find
from deploy.rollout.journal import Journal
from deploy.rollout.plan import Wishes, make_plan
from deploy.rollout.refusals import Wanted, refuse
from deploy.rollout.site import Bench, Site
from deploy.rollout.strategy import choose
from deploy.values.errors import Failure
from deploy.values.events import Stream
from deploy.values.facts import HostFacts
from deploy.values.inventory import Inventory
from deploy.values.plan import Plan
from deploy.values.release import Release, proxy_name


@dataclass(frozen=True, kw_only=True)
class HostResult:
    """What a rollout came to on one host."""

    host: str
    was: str
    """The tag that served before; empty when none did."""
    now: str
    seconds: Mapping[str, float]
    """By phase, in the order they were begun."""
    url: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a rollout came to."""

    release: Release
    changed: bool
    hosts: tuple[HostResult, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What is to be rolled out, where, and how."""

    wanted: Wanted
    wishes: Wishes
    inventory: Inventory
    registry_auth: Mapping[str, str] | None
    """As the Docker SDK's `auth_config`."""


def roll_out(rollout: Rollout, bench: Bench, stream: Stream) -> Result:
    """Bring a release to every host, or put every touched host back.

    Raises:
        LockedError: somebody else is deploying this application there.
        HostError: a host is unreachable or refuses; nothing was changed.
        RolledBack, LeftBroken, Interrupted: as `execute` says.
    """
    begun = time.monotonic()
    release = rollout.wanted.release
    with sites_of(rollout, stream) as sites:
        with stream.step("facts", "of every host"):
            looked = on_each(list(sites.values()), lambda site: _look(site, rollout))
        facts = dict(zip(sites, (each[0] for each in looked), strict=True))
        found = dict(zip(sites, (each[1] for each in looked), strict=True))
        refuse(rollout.wanted, facts, found)
        ways = {host: choose(rollout.wanted.strategy, release, facts[host], found[host]) for host in sites}
        plan = make_plan(release, found, ways, rollout.wishes)
        if not plan.changes and not _all_healthy(plan, sites):
            plan = make_plan(release, found, ways, replace(rollout.wishes, force=True))
        journal = execute(plan, sites, bench)
    return _result(plan, rollout.inventory, journal, time.monotonic() - begun)


@contextmanager
def sites_of(rollout: Rollout, stream: Stream) -> Iterator[Mapping[str, Site]]:
    """Every host of the inventory, connected and locked, its engine answering."""
    release = rollout.wanted.release
    who, _, where = release.deployed_by.partition("@")
    owner = Owner(who=who, where=where, release=release.tag, since=release.deployed_at)
    with ExitStack() as stack:
        hosts = rollout.inventory.hosts
        with stream.step("connect", ", ".join(host.name for host in hosts)):
            reached = stack.enter_context(connections(hosts, rollout.inventory.access))
        with stream.step("lock", "every host"):
            fleet_lock = stack.enter_context(hold_all(list(reached.values()), release.app, owner))

        def site(connection: Connection) -> Site:
            return Site(
                host=connection.host,
                connection=connection,
                client=stack.enter_context(closing(through(connection))),
                lock=fleet_lock.locks[connection.host.name],
                stream=stream,
                registry_auth=rollout.registry_auth,
            )

        sites = on_each(list(reached.values()), site)
        cancel = sites[0].cancel
        yield {each.host.name: replace(each, cancel=cancel) for each in sites}


def _look(site: Site, rollout: Rollout) -> tuple[HostFacts, Found]:
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
    )
    runs = any(item.name == proxy_name(release.app) and item.state == "running" for item in facts.containers)
    name = proxy_name(release.app)
    sends_to = proxy.alias_of(site.connection, proxy.inspect(site, name)) if runs else ""
    return facts, find(facts, app=release.app, profile=release.profile, sends_to=sends_to)


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


def _result(plan: Plan, inventory: Inventory, journal: Journal, seconds: float) -> Result:
    was = {host.host: host.was for host in plan.hosts}
    return Result(
        release=plan.release,
        changed=plan.changes,
        seconds=seconds,
        hosts=tuple(
            HostResult(
                host=host.name,
                was=before.tag if (before := was[host.name]) else "",
                now=plan.release.tag,
                seconds=dict(journal.seconds[host.name]),
                url=host.url,
            )
            for host in inventory.hosts
        ),
    )
