"""A plan as people and programs read it before it is carried out; only asks, and changes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from deploy.hosts.fleet import on_each
from deploy.rollout.basis import basis, seen
from deploy.rollout.containers import exists
from deploy.rollout.found import Found
from deploy.rollout.release import ImageFacts, java_heap, unchanged
from deploy.rollout.running import Running, as_it_runs, as_it_would, compare
from deploy.rollout.site import Site
from deploy.rollout.strategy import runs_there
from deploy.rollout.survey import Rollout, Survey
from deploy.values import labels
from deploy.values.balancing import Balancer, TakeOut
from deploy.values.build import Build
from deploy.values.facts import HostFacts
from deploy.values.images import to_pull
from deploy.values.plan import HostPlan, Plan
from deploy.values.planned import (
    Change,
    Fetch,
    JavaHeap,
    Planned,
    PlannedBalancer,
    PlannedHost,
    PlannedRelease,
)
from deploy.values.release import Release
from deploy.values.steps import Start, StartProxy

Runs = Mapping[str, Running | None]
"""What serves, by host; None where nothing does."""


def what_runs(survey: Survey, sites: Mapping[str, Site]) -> Runs:
    """Inspect what serves on every host."""
    hosts = [host.host for host in survey.plan.hosts]

    def inspect(host: str) -> Running | None:
        serving = runs_there(survey.found[host])
        inspected = exists(sites[host], serving.id) if serving else None
        return as_it_runs(inspected) if inspected else None

    return dict(zip(hosts, on_each(hosts, inspect), strict=True))


def preview(build: Build, rollout: Rollout, survey: Survey, runs: Runs, *, now: datetime) -> Planned:
    """Compare what runs on each host with what would, and keep what that was decided on.

    Args:
        build: what is to be released.
        rollout: the same with the settings.
        survey: of the hosts.
        runs: what serves there.
        now: the moment, in UTC.
    """
    release = rollout.wanted.release
    return Planned(
        app=release.app,
        profile=release.profile,
        made_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        changes=survey.plan.changes,
        force=rollout.wishes.force,
        adopt=rollout.wanted.adopt,
        release=PlannedRelease(
            tag=release.tag,
            digest=release.digest,
            image=release.image,
            commit=release.commit,
            author=release.author,
            subject=release.subject,
        ),
        order=_order(survey.plan),
        hosts=tuple(_host(host, rollout, survey, runs[host.host]) for host in survey.plan.hosts),
        balancers=tuple(_balancer(each, survey.plan) for each in survey.balancing.balancers),
        settings=basis(rollout),
        build=build,
    )


def _balancer(each: Balancer, plan: Plan) -> PlannedBalancer:
    return PlannedBalancer(
        host=each.host,
        members=tuple(sorted(each.members)),
        container=each.container,
        steps=tuple(f"{step.name} {step.text}".rstrip() for step in plan.steps(each.host)),
    )


def _order(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Whose turn it is, batch after batch."""
    return tuple(
        hosts
        for stage in plan.stages
        for batch in stage.batches
        if (
            hosts := tuple(work.host for work in batch if any(isinstance(step, Start) for step in work.steps))
        )
    )


def _host(plan: HostPlan, rollout: Rollout, survey: Survey, runs: Running | None) -> PlannedHost:
    facts, found = survey.facts[plan.host], survey.found[plan.host]
    release, image = rollout.wanted.release, rollout.image or NO_IMAGE
    pull = to_pull(rollout.wanted.contents if survey.plan.changes else (), facts.stock, facts.platform)
    steps = survey.plan.steps(plan.host)
    return PlannedHost(
        host=plan.host,
        address=facts.host.url,
        action=("replace" if plan.was else "start") if survey.plan.changes else "nothing",
        strategy=plan.strategy,
        why=plan.why,
        changes=tuple(_changes(release, image, found, runs, rollout.wishes.proxy_made_from)),
        notes=tuple(_notes(plan, survey, rollout, steps)),
        pull=Fetch(
            bytes=pull.size,
            layers=pull.layers,
            whole_bytes=pull.whole_size,
            whole_layers=pull.whole_layers,
        ),
        heap=_heap(release, image, facts),
        steps=tuple(step.name for step in steps),
        seen=seen(facts, found),
    )


NO_IMAGE = ImageFacts(platform="", user="", labels={})


def _changes(
    release: Release, image: ImageFacts, found: Found, runs: Running | None, made_from: str
) -> Iterator[Change]:
    """Every difference; what the image itself brings is not told of a first release."""
    new = as_it_would(release, image)
    shown = compare(runs, new if runs else replace(new, environment=release.spec.variables()))
    yield from shown
    serving = found.serving
    if serving and not serving.running:
        yield Change(kind="changed", what="state", was=serving.state, now="running")
    if serving and serving != found.plain:
        yield Change(kind="changed", what="unfinished rollout", was=serving.name, now=release.app)
    if serving and not shown and not unchanged(release, serving.labels.get(labels.SETTINGS, "")):
        yield Change(kind="changed", what="settings")
    yield from _proxy_changes(found, made_from)
    for leftover in found.leftovers:
        yield Change(kind="removed", what="leftover", was=leftover.name)


def _proxy_changes(found: Found, made_from: str) -> Iterator[Change]:
    """By its label: image, address and port, and a hash of the configuration, divided by spaces."""
    names = ("proxy image", "APP_PORT", "proxy configuration")
    now = dict(zip(names, made_from.split(), strict=False))
    if found.proxy is None:
        yield from (Change(kind="added", what=name, now=text) for name, text in now.items())
        return
    was = dict(zip(names, found.proxy.labels.get(labels.PROXY, "").split(), strict=False))
    for name in names:
        if was.get(name) != now.get(name):
            yield Change(kind="changed", what=name, was=was.get(name, ""), now=now.get(name, ""))
    if not found.proxy.running:
        yield Change(kind="changed", what="proxy", was=found.proxy.state, now="running")


def _lost_ports(found: Found) -> Iterator[str]:
    """What an adopted container publishes besides, which the proxy does not."""
    if found.adoption is None:
        return
    own = found.adoption.adopted.port
    if others := sorted({p.port for p in found.adoption.item.published} - {own}):
        yield f"it also has port {', '.join(map(str, others))}, which nothing serves after it"


def _notes(plan: HostPlan, survey: Survey, rollout: Rollout, steps: tuple[object, ...]) -> Iterator[str]:
    found = survey.found[plan.host]
    if any(isinstance(step, StartProxy) and step.replaces for step in steps):
        yield "the proxy is replaced: APP_PORT is closed for a moment"
    if steps and plan.was and plan.was.adopted:
        one = plan.was.adopted
        yield f"{one.name} is taken over and kept, stopped, as {one.kept_as}: `rollback` goes back to it"
        yield from _lost_ports(found)
    is_out = any(isinstance(step, TakeOut) for step in steps)
    if is_out:
        yield "taken out of the balancers while it is replaced: no request is lost"
    elif steps and survey.balancing.balancers and plan.was:
        yield "not taken out of the balancers: no other host serves meanwhile"
    if steps and plan.was and plan.was.running and plan.strategy == "recreate" and not is_out:
        yield "no answer from the stop of the old one until the new one is healthy"
    if not survey.healthy:
        yield "the same runs already, and is not healthy somewhere: it is replaced"
    elif rollout.wishes.force and survey.plan.changes:
        yield "replaced whether anything differs or not (--force)"


def _heap(release: Release, image: ImageFacts, facts: HostFacts) -> JavaHeap | None:
    heap = java_heap(release, image, facts.memory_total)
    return JavaHeap(bytes=heap.size, why=heap.why, needs=heap.needs) if heap else None
