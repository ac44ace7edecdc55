"""A rollout from its beginning to its end: one transaction over all hosts of a profile."""

from deploy.rollout import asking
from deploy.rollout.basis import refuse_moved
from deploy.rollout.changing import Intent, changing, leaving_out
from deploy.rollout.site import Bench
from deploy.rollout.survey import Rollout, survey
from deploy.values.events import Stream
from deploy.values.planned import Planned
from deploy.values.result import Result


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
    with changing(_intent(rollout), bench, stream) as fleet:
        asks = asking.there(bench.root)
        seen = survey(leaving_out(rollout, fleet.left_out), fleet.sites, stream, asks=asks)
        if planned:
            refuse_moved(planned, seen)
        return fleet.carry_out(seen.plan, bench, registry_auth=rollout.registry_auth, gateway=rollout.gateway)


def _intent(rollout: Rollout) -> Intent:
    release = rollout.wanted.release
    return Intent(
        task="deploy",
        profile=release.profile,
        app=release.app,
        inventory=rollout.inventory,
        manner=rollout.manner,
        by=release.deployed_by,
        since=release.deployed_at,
        brings=release.tag,
    )
