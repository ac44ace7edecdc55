"""The plan of going back to an adopted container: its place is given back to it, as it had it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from deploy.rollout.adoption import Adoption
from deploy.rollout.balance import Balance
from deploy.rollout.found import Found, as_serving, before
from deploy.rollout.past import Past
from deploy.rollout.plan import NO_BALANCING, finished_plan
from deploy.rollout.stages import batched, together
from deploy.rollout.strategy import choose
from deploy.values.adopting import ADOPTED
from deploy.values.adopting_steps import GiveBack, Reinstate, Return
from deploy.values.balancing import Balancing
from deploy.values.errors import HostError
from deploy.values.plan import HostPlan, Plan
from deploy.values.release import ContainerSpec, HealthCheck, Release
from deploy.values.settings import Settings
from deploy.values.steps import Prune, Serving, Step, StopIdle, StopOld


@dataclass(frozen=True, kw_only=True)
class _Host:
    """A host, and what goes back there."""

    here: Found
    adoption: Adoption
    plan: HostPlan
    release: Release

    @property
    def is_well(self) -> bool:
        """Whether it stands as it did before it was adopted, with nothing half done beside it."""
        here, adoption = self.here, self.adoption
        return (
            here.is_on_adopted
            and adoption.at_home
            and adoption.item.running == adoption.adopted.running
            and not here.unfinished
            and not any(item.running for item in here.ours)
            and not (here.proxy and here.proxy.running)
        )

    @property
    def old(self) -> Serving | None:
        """What runs in its place."""
        serving = self.here.serving
        return as_serving(serving, self.release.health) if serving and serving.running else None


def plan_return(
    pasts: Mapping[str, Past],
    settings: Settings,
    balancing: Balancing = NO_BALANCING,
    *,
    everywhere: bool = True,
) -> Plan:
    """Plan how every host goes back to the container that was adopted there.

    Args:
        pasts: by host name, in their order.
        settings: today's.
        balancing: what stands before the hosts; balancers stay as they are, but send to no host meanwhile.
        everywhere: whether every host must have one; else those with nothing of ours are left alone.

    Raises:
        HostError: a host has none, or its name was taken meanwhile; nothing has been changed.
    """
    if not everywhere:
        pasts = {name: past for name, past in pasts.items() if past.found.adoption or past.found.ours}
    _refuse(pasts)
    hosts = {name: _host(name, past, settings) for name, past in pasts.items()}
    ill = {name: host for name, host in hosts.items() if not host.is_well}
    balance = _balance(hosts, settings, balancing)
    first, rest, size = balance.turns(list(ill), settings.batch, fleet=len(pasts))
    serve = {name: _serve_behind(balance, host) for name, host in ill.items()}
    stages = [
        together("first", {name: serve[name] for name in first}),
        batched("next", {name: serve[name] for name in rest}, size),
        together("commit", {name: [_reinstate(host)] for name, host in ill.items()}),
        together("prune", {name: _prune(host) for name, host in ill.items()}, after=True),
    ]
    return finished_plan(
        balance.release, tuple(host.plan for host in hosts.values()), stages, balance.balancing
    )


def _balance(hosts: Mapping[str, _Host], settings: Settings, balancing: Balancing) -> Balance:
    """The balancers that run; one that does not has no users to keep from a host."""
    was = {name: host.plan.was for name, host in hosts.items()}
    return Balance(
        release=next(iter(hosts.values())).release,
        balancing=replace(balancing, balancers=tuple(each for each in balancing.balancers if each.running)),
        app_port=settings.app_port,
        made_from="",
        drain_timeout=settings.drain_timeout,
        serving={name: one.health for name, one in was.items() if one and one.running},
    )


def _refuse(pasts: Mapping[str, Past]) -> None:
    told = []
    for host, past in pasts.items():
        adoption = past.found.adoption
        if adoption is None:
            told.append(f"{host}: no container was adopted there, or it has been removed since.")
        elif (other := past.facts.container(adoption.adopted.name)) and _is_strange(other.id, past.found):
            told.append(f"{host}: {other.name} is the name of another container now: rename or remove that.")
    if told:
        raise HostError(
            "Cannot go back to what was adopted. Nothing was changed.",
            advice="Choose another release: `invoke releases` lists them.",
            details=told,
            step="look",
        )


def _is_strange(container: str, found: Found) -> bool:
    known = {item.id for item in found.ours} | ({found.adoption.item.id} if found.adoption else set())
    return container not in known


def _host(name: str, past: Past, settings: Settings) -> _Host:
    found = past.found
    if found.adoption is None:
        raise AssertionError(f"{name} was not refused")
    release = _release(found.adoption, settings)
    way = choose(settings.strategy, release, past.facts, found)
    plan = HostPlan(
        host=name,
        was=before(found, release.health),
        strategy=way.strategy,
        why=way.why,
        there=found.releases,
    )
    return _Host(here=found, adoption=found.adoption, plan=plan, release=release)


def _release(adoption: Adoption, settings: Settings) -> Release:
    """What is known of it, where a rollout tells of what it brings."""
    adopted = adoption.adopted
    return Release(
        id=ADOPTED,
        app=settings.app_name,
        profile=settings.profile,
        image=adopted.image,
        digest="",
        tag=adopted.tag,
        proxy_image="",
        called=adopted.kept_as,
        spec=ContainerSpec(environment={}, port=adopted.port, memory=adoption.item.memory),
        health=HealthCheck(path="/", port=adopted.port, below=500, timeout=settings.health_timeout),
    )


def _serve_behind(balance: Balance, host: _Host) -> list[Step]:
    """Without users meanwhile; what did not run when it was adopted will have none, and is not put back."""
    if not host.adoption.adopted.running:
        return _serve(host)
    return replace(balance, release=host.release).around(host.plan.host, _serve(host))


def _serve(host: _Host) -> list[Step]:
    """The proxy gives the port back before it is started; ours stops before that only if memory is short."""
    here, old, release = host.here, host.old, host.release
    steps: list[Step] = [
        StopIdle(container=item.id, container_name=item.name)
        for item in here.ours
        if item.running and item != here.serving
    ]
    stop: list[Step] = [StopOld(old=old, release=release)] if old else []
    back: list[Step] = []
    if here.proxy:
        back.append(GiveBack(app=release.app, container=here.proxy.id, running=here.proxy.running))
    adopted = host.adoption.adopted
    if adopted.running:
        back.append(Return(adopted=adopted, timeout=release.health.timeout))
    return [*steps, *stop, *back] if host.plan.strategy == "recreate" else [*steps, *back, *stop]


def _reinstate(host: _Host) -> Step:
    plain, release = host.here.plain, host.release
    old = as_serving(plain, release.health) if plain else None
    return Reinstate(adopted=host.adoption.adopted, app=release.app, old=old)


def _prune(host: _Host) -> list[Step]:
    """What never finished goes; where nothing of ours ever did, so does the proxy."""
    here = host.here
    gone = [item.id for item in (*here.leftovers, *here.unfinished)]
    if here.proxy and not (here.plain or here.kept):
        gone.append(here.proxy.id)
    gone = list(dict.fromkeys(gone))
    return [Prune(app=host.release.app, containers=tuple(gone))] if gone else []
