"""A fleet while it is changed: reached and locked, a plan carried out on it, and what that came to.

Deploy, rollback and repair differ only in how they come to their plan.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from deploy.gateway import Gateway
from deploy.hooks import BEFORE, facts_of, run_hook
from deploy.hosts.fleet import on_each
from deploy.hosts.lock import Owner
from deploy.rollout.audit import Audit
from deploy.rollout.execute import execute
from deploy.rollout.journal import Journal
from deploy.rollout.reach import Locking, reach
from deploy.rollout.site import Bench, Site
from deploy.rollout.survey import Manner, Rollout
from deploy.values.errors import Unreachable
from deploy.values.events import Stream
from deploy.values.inventory import Inventory
from deploy.values.plan import Plan
from deploy.values.result import HostResult, Result


@dataclass(frozen=True, kw_only=True)
class Intent:
    """Who wants to change which hosts, for what, and in which manner."""

    task: str
    """`deploy`, `rollback` or `repair`."""
    app: str
    profile: str
    inventory: Inventory
    manner: Manner
    by: str
    """`user@machine`."""
    since: str
    """ISO 8601, UTC."""
    brings: str
    """What those are told who come too late: a release, or what else is brought."""

    @property
    def owner(self) -> Owner:
        """In whose name the locks are held."""
        who, _, where = self.by.partition("@")
        return Owner(who=who, where=where, release=self.brings, since=self.since)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The hosts that are held."""

    sites: Mapping[str, Site]
    """By name."""
    left_out: tuple[str, ...]
    """The names of hosts that did not answer."""
    inventory: Inventory
    manner: Manner
    stream: Stream
    audit: Audit
    begun: float
    """By the monotonic clock."""

    def carry_out(
        self,
        plan: Plan,
        bench: Bench,
        *,
        registry_auth: Mapping[str, str] | None = None,
        gateway: Gateway | None = None,
    ) -> Result:
        """Do a plan, or put every touched host back.

        Args:
            plan: what to do.
            bench: where the evidence of a failure goes.
            registry_auth: for pulls, as the Docker SDK's `auth_config`.
            gateway: what hosts pull through, which then is what lets them in; None where they reach the
                registry, or pull nothing.

        Raises:
            HookFailed: the hook `pre-deploy` said no; nothing was changed.
            HostError, RolledBack, LeftBroken, LeftDifferent, Interrupted: as `execute` says.
        """
        if gateway:
            registry_auth = gateway.auth_config
        ready = {
            host: replace(site, registry_auth=registry_auth, ask=partial(self._ask, bench))
            for host, site in self.sites.items()
        }
        balancers = next(iter(ready.values())).balancers
        ready |= {site.host.name: replace(site, registry_auth=registry_auth) for site in balancers}
        self._tell(plan)
        if plan.changes and gateway:
            with self.stream.step("tunnel", f"the registry on port {gateway.port} of every host's loopback"):
                on_each(list(ready.values()), lambda site: site.session.open_gateway(gateway))
        if plan.changes:
            facts = facts_of(self.audit.account(), bench.mask)
            run_hook(BEFORE, facts, root=bench.root, stream=self.stream)
        journal = execute(plan, ready, bench, pause=self.manner.pause)
        return result_of(plan, self.inventory, journal, self.left_out, time.monotonic() - self.begun)

    def _ask(self, bench: Bench, hook: str, site: Site) -> None:
        """Run a hook for one host."""
        host = site.host
        facts = facts_of(self.audit.account(), bench.mask)
        facts |= {"HOST": host.name, "ADDRESS": host.reached_at or host.address}
        run_hook(
            hook, facts, root=bench.root, stream=self.stream, host=host.name, turn=partial(site.pause, 0)
        )

    def _tell(self, plan: Plan) -> None:
        """Let it be known what is brought, and what is in its place now."""
        release = plan.release
        self.stream.fact(
            release=release.tag, release_id=release.id, digest=release.digest, commit=release.commit
        )
        for host in plan.hosts:
            was = host.was.tag if host.was else ""
            self.stream.fact(host=host.host, was=was, now=was, strategy=host.strategy)


@contextmanager
def changing(intent: Intent, bench: Bench, stream: Stream) -> Iterator[Fleet]:
    """Reach and lock every host; all is given back at the end, and every touched host has its audit line.

    Raises:
        LockedError: somebody else is changing this application there.
        HostError: a host is unreachable or refuses.
    """
    begun = time.monotonic()
    manner = intent.manner
    skipped: list[Unreachable] = []
    audit = Audit(app=intent.app, mask=bench.mask)
    reached = reach(
        intent.inventory,
        stream,
        locking=Locking(app=intent.app, owner=intent.owner, wait=manner.wait),
        skip=skipped.append if manner.skip_unreachable else None,
        at_end=partial(audit.write, stream),
    )
    with stream.heard_by(audit), _told(intent, stream), reached as sites:
        for missing in skipped:
            stream.fact(host=missing.host, state="left out")
            stream.warning(f"Left out: {missing.what} {missing.why}", step="connect", host=missing.host)
        yield Fleet(
            sites=sites,
            left_out=tuple(missing.host for missing in skipped),
            inventory=intent.inventory,
            manner=manner,
            stream=stream,
            audit=audit,
            begun=begun,
        )


@contextmanager
def _told(intent: Intent, stream: Stream) -> Iterator[None]:
    stream.fact(task=intent.task, app=intent.app, profile=intent.profile, by=intent.by)
    for host in intent.inventory.every():
        stream.fact(host=host.name, url=host.url)
    yield


def leaving_out(rollout: Rollout, names: tuple[str, ...]) -> Rollout:
    """The same, its containers telling which hosts it went without: `repair` brings those up to it."""
    places = tuple(host.place for host in rollout.inventory.hosts if host.name in names)
    release = replace(rollout.wanted.release, skipped=places)
    return replace(rollout, wanted=replace(rollout.wanted, release=release))


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
