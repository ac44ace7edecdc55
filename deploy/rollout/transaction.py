"""A rollout from its beginning to its end: one transaction over all hosts of a profile."""

import time
from collections.abc import Sequence
from dataclasses import replace

from deploy.hosts.lock import Owner
from deploy.rollout.basis import refuse_moved
from deploy.rollout.execute import execute
from deploy.rollout.journal import Journal
from deploy.rollout.reach import Locking, reach
from deploy.rollout.site import Bench
from deploy.rollout.survey import Rollout, survey
from deploy.values.errors import Unreachable
from deploy.values.events import Stream
from deploy.values.inventory import Inventory
from deploy.values.plan import Plan
from deploy.values.planned import Planned
from deploy.values.release import Release
from deploy.values.result import HostResult, Result


def roll_out(rollout: Rollout, bench: Bench, stream: Stream, *, planned: Planned | None = None) -> Result:
    """Bring a release to every host, or put every touched host back.

    Args:
        rollout: the release, and where it goes.
        bench: where the evidence of a failure goes.
        stream: hears of it.
        planned: what was planned; when it is not so any more, nothing is changed.

    Raises:
        LockedError: somebody else is deploying this application there.
        HostError: a host is unreachable or refuses; nothing was changed.
        RolledBack, LeftBroken, LeftDifferent, Interrupted: as `execute` says.
    """
    begun = time.monotonic()
    manner = rollout.manner
    skipped: list[Unreachable] = []
    reached = reach(
        rollout.inventory,
        stream,
        locking=Locking(
            app=rollout.wanted.release.app, owner=owner_of(rollout.wanted.release), wait=manner.wait
        ),
        registry_auth=rollout.registry_auth,
        skip=skipped.append if manner.skip_unreachable else None,
    )
    with reached as sites:
        names = left_out(skipped, stream)
        seen = survey(leaving_out(rollout, names), sites, stream)
        if planned:
            refuse_moved(planned, seen)
        journal = execute(seen.plan, sites, bench, pause=manner.pause)
    return result_of(seen.plan, rollout.inventory, journal, names, time.monotonic() - begun)


def left_out(skipped: Sequence[Unreachable], stream: Stream) -> tuple[str, ...]:
    """Warn of the hosts that a rollout goes on without; returns their names."""
    for missing in skipped:
        stream.warning(f"Left out: {missing.what} {missing.why}", step="connect", host=missing.host)
    return tuple(missing.host for missing in skipped)


def leaving_out(rollout: Rollout, names: tuple[str, ...]) -> Rollout:
    """The same, its containers telling which hosts it went without: `repair` brings those up to it."""
    places = tuple(host.place for host in rollout.inventory.hosts if host.name in names)
    release = replace(rollout.wanted.release, skipped=places)
    return replace(rollout, wanted=replace(rollout.wanted, release=release))


def owner_of(release: Release) -> Owner:
    """In whose name a rollout holds its locks."""
    who, _, where = release.deployed_by.partition("@")
    return Owner(who=who, where=where, release=release.tag, since=release.deployed_at)


def result_of(
    plan: Plan, inventory: Inventory, journal: Journal, skipped: tuple[str, ...], seconds: float
) -> Result:
    """What a plan that was carried out came to."""
    planned = {host.host: host for host in plan.hosts}
    return Result(
        release=plan.release,
        changed=plan.changes,
        skipped=skipped,
        seconds=seconds,
        hosts=tuple(
            HostResult(
                host=host.name,
                was=before.tag if (before := planned[host.name].was) else "",
                now=plan.release.tag,
                strategy=planned[host.name].strategy,
                seconds=dict(journal.seconds[host.name]),
                url=host.url,
            )
            for host in inventory.hosts
            if host.name in planned
        ),
    )
