"""Each step of a rollout: how it is done on a host, and how it is undone.

An undo also follows a step that was interrupted half way, so that each first looks at what is there.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from docker.errors import APIError, DockerException, NotFound

from deploy.rollout import adopt, asking, balancer, containers, health, proxy, secret_files
from deploy.rollout.pull import pull, tidy
from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.adopting_steps import Adopt, Close, GiveBack, Reinstate, Return
from deploy.values.balancing import AskBack, AskOut, PutBack, SetMembers, StartBalancer, TakeOut
from deploy.values.errors import Failure
from deploy.values.release import HealthCheck, proxy_name
from deploy.values.steps import (
    AwaitHealth,
    Commit,
    Create,
    Discard,
    Drain,
    MakeNetwork,
    Monitor,
    Prune,
    Pull,
    ReviveProxy,
    Serving,
    Settle,
    Start,
    StartProxy,
    Step,
    StopIdle,
    StopOld,
    Switch,
)

BRIEF = 10.0
"""Seconds that something has to answer which was seen to answer before."""
IDLE_STOP_TIMEOUT = 2
"""Seconds to stop a candidate that never had users; under recreate, users wait for it to be gone."""


def do(step: Step, site: Site) -> None:
    """Do a step."""
    DOING[type(step)](step, site)


def undo(step: Step, site: Site) -> None:
    """Undo a step, done or half done."""
    if undoing := UNDOING.get(type(step)):
        undoing(step, site)


def _pull(step: Pull, site: Site) -> None:
    pull(site, step.image, keep_as=step.keep_as)


def _forget(step: Pull, site: Site) -> None:
    tidy(site, step.keep_as.rpartition(":")[0].rpartition("/")[2])


def _make_network(step: MakeNetwork, site: Site) -> None:
    if not site.api.networks(names=[f"^{step.network}$"]):
        site.api.create_network(step.network, driver="bridge", labels={labels.APP: step.app})


def _remove_network(step: MakeNetwork, site: Site) -> None:
    try:
        site.api.remove_network(step.network)
    except NotFound:
        return
    except APIError as error:
        # Containers of an earlier life are in it still: then it was not this rollout that made it.
        if error.status_code != 403:
            raise


def _start_proxy(step: StartProxy, site: Site) -> None:
    proxy.start(site, step)


def _bring_back_proxy(step: StartProxy, site: Site) -> None:
    proxy.bring_back(site, step)


def _discard(step: Discard, site: Site) -> None:
    _remove(site, step.container)


def _stop_idle(step: StopIdle, site: Site) -> None:
    containers.set_restart_policy(site, step.container, "no")
    site.api.stop(step.container)


def _create(step: Create, site: Site) -> None:
    containers.create(site, step.release, step.history)


def _remove_candidate(step: Create, site: Site) -> None:
    there = containers.exists(site, step.release.container)
    # Somebody else's of the same name, for which creating ours has failed, is not ours to remove.
    if there and there["Config"]["Labels"].get(labels.RELEASE) == step.release.id:
        _remove(site, there["Id"])
    if step.release.spec.in_files:
        secret_files.sweep(site, step.release.app)


def _stop_old(step: StopOld, site: Site) -> None:
    containers.set_restart_policy(site, step.old.id, "no")
    was_running = _runs(site, step.old.id)
    site.api.stop(step.old.id)
    code = site.api.inspect_container(step.old.id)["State"].get("ExitCode")
    if was_running and code == health.SIGKILLED:
        site.stream.warning(
            f"{step.old.tag or step.old.name} did not end within its STOP_TIMEOUT and was killed: exit code "
            f"{code}. Requests that it had begun are lost; it has to heed SIGTERM.",
            step=step.name,
            host=site.host.name,
        )


def _start_old(step: StopOld, site: Site) -> None:
    containers.set_restart_policy(site, step.old.id, "unless-stopped")
    site.api.start(step.old.id)
    if step.old.running:
        health.await_healthy(site, step.old.id, step.old.health)


def _start(step: Start, site: Site) -> None:
    if step.release.called and step.release.spec.in_files:
        secret_files.write(site, step.release)  # a repair: the host may have rebooted since they were
    site.api.start(step.release.container)


def _stop_candidate(step: Start, site: Site) -> None:
    if containers.exists(site, step.release.container):
        site.api.stop(step.release.container, timeout=IDLE_STOP_TIMEOUT)


def _await_health(step: AwaitHealth, site: Site) -> None:
    health.await_healthy(site, step.release.container, step.release.health)


def _switch(step: Switch, site: Site) -> None:
    release = step.release
    if step.old and _runs(site, step.old.id):
        proxy.introduce(site, release.app, release.alias, release.spec.port, release.health)
    containers.set_restart_policy(site, release.container, "unless-stopped")
    if step.old:
        containers.set_restart_policy(site, step.old.id, "no")
    proxy.switch(site, release.app, release.alias, release.spec.port)
    proxy.await_through(site, release.app, release.health)


def _revive_proxy(step: ReviveProxy, site: Site) -> None:
    proxy.revive(site, step.app, step.container)


def _settle(step: Settle, site: Site) -> None:
    release = step.release
    for name in (release.container, proxy_name(release.app)):
        containers.set_restart_policy(site, name, "unless-stopped")
    proxy.switch(site, release.app, release.alias, release.spec.port)
    proxy.await_through(site, release.app, release.health)


def _runs(site: Site, container: str) -> bool:
    return bool(site.api.inspect_container(container)["State"]["Running"])


def _switch_back(step: Switch, site: Site) -> None:
    old, release = step.old, step.release
    candidate = containers.exists(site, release.container)
    if candidate:
        containers.set_restart_policy(site, release.container, "no")
    if old:
        if _runs(site, old.id):
            with suppress(Failure):  # then users meet the one before as it is: it is what is left
                proxy.introduce(site, release.app, old.alias, old.health.port, old.health)
        containers.set_restart_policy(site, old.id, "unless-stopped")
        proxy.switch(site, release.app, old.alias, old.health.port)
    elif containers.exists(site, proxy_name(release.app)):
        proxy.switch(site, release.app, proxy.NOWHERE, 0)
    if candidate and candidate["State"]["Running"]:
        # It may have had users: what they have begun is answered, and it gets its own time to end.
        proxy.await_drained(site, release.app, step.drain_timeout)
        site.api.stop(release.container)


def _drain(step: Drain, site: Site) -> None:
    if not proxy.await_drained(site, step.app, step.timeout):
        site.stream.warning(
            f"Connections to the old release are still open after {step.timeout:g} s; they are cut now.",
            step=step.name,
            host=site.host.name,
        )


def _monitor(step: Monitor, site: Site) -> None:
    health.monitor(site, step.release.container, step.release.health)


def _commit(step: Commit, site: Site) -> None:
    if step.old_id:
        site.api.rename(step.old_id, step.old_name)
    site.api.rename(step.release.container, step.release.app)


def _uncommit(step: Commit, site: Site) -> None:
    plain = containers.exists(site, step.release.app)
    if plain and plain["Config"]["Labels"].get(labels.RELEASE) == step.release.id:
        site.api.rename(plain["Id"], step.release.container)
    if step.old_id:
        old = site.api.inspect_container(step.old_id)
        if old["Name"].lstrip("/") != step.release.app:
            site.api.rename(step.old_id, step.release.app)


def _prune(step: Prune, site: Site) -> None:
    for container in step.containers:
        _remove(site, container)
    if step.secret_files:
        secret_files.sweep(site, step.app)
    tidy(site, step.app)


def _remove(site: Site, container: str) -> None:
    try:
        site.api.remove_container(container, force=True, v=True)
    except NotFound:
        return


def back_in_service(site: Site, app: str, old: Serving | None) -> None:
    """See that a host is on what it ran before: the old container healthy, and reached through the proxy.

    Raises:
        Failure: it is not.
        DockerException: its engine does not say.
    """
    if old is None or not old.running:
        return
    if old.adopted:
        adopt.await_answer(site, old.adopted, min(old.health.timeout, BRIEF))
        return
    health.await_healthy(site, old.id, _briefly(old.health))
    proxy.await_through(site, app, old.health)


def _briefly(check: HealthCheck) -> HealthCheck:
    return HealthCheck(path=check.path, port=check.port, below=check.below, timeout=min(check.timeout, BRIEF))


EXPECTED = (DockerException, OSError)
"""What an engine and a connection raise when they fail; anything else is a defect."""


def explain(error: Exception) -> str:
    """What went wrong in a few words: the engine's own, without the URL that the SDK wraps them in."""
    if isinstance(error, Failure):
        return f"{error.what} {error.why}".strip()
    said = error.explanation if isinstance(error, APIError) else None
    return str(said or error or type(error).__name__)


DOING: dict[type[Step], Callable[[Any, Site], None]] = {
    Pull: _pull,
    MakeNetwork: _make_network,
    StartProxy: _start_proxy,
    ReviveProxy: _revive_proxy,
    Discard: _discard,
    StopIdle: _stop_idle,
    Create: _create,
    StopOld: _stop_old,
    Start: _start,
    AwaitHealth: _await_health,
    Switch: _switch,
    Settle: _settle,
    Drain: _drain,
    Monitor: _monitor,
    Commit: _commit,
    Prune: _prune,
    StartBalancer: balancer.start,
    SetMembers: balancer.set_members,
    TakeOut: balancer.take_out,
    PutBack: balancer.put_back,
    AskOut: asking.ask_out,
    AskBack: asking.ask_back,
    Adopt: adopt.adopt,
    Close: adopt.close,
    GiveBack: adopt.give_back,
    Return: adopt.come_back,
    Reinstate: adopt.reinstate,
}

UNDOING: dict[type[Step], Callable[[Any, Site], None]] = {
    Pull: _forget,
    MakeNetwork: _remove_network,
    StartProxy: _bring_back_proxy,
    ReviveProxy: adopt.close_proxy,
    Create: _remove_candidate,
    StopOld: _start_old,
    Start: _stop_candidate,
    Switch: _switch_back,
    Commit: _uncommit,
    StartBalancer: balancer.bring_back,
    SetMembers: balancer.set_as_before,
    TakeOut: balancer.undo_take_out,
    PutBack: balancer.undo_put_back,
    AskOut: asking.undo_ask_out,
    AskBack: asking.undo_ask_back,
    Adopt: adopt.disown,
    Close: adopt.reopen,
    GiveBack: adopt.take_again,
    Return: adopt.go_away,
    Reinstate: adopt.depose,
}

HARMLESS = (Pull,)
"""Steps that leave nothing that serves or is in the way: where no others were begun, all is as before."""

STAY = (Create, Pull)
"""Steps whose undo only removes: not done where going back has failed, for a person to see and to use."""
