"""Getting a host back that a rollout has lost half way: a reboot, a cut link, an engine that restarts."""

from docker.errors import DockerException

from deploy.hosts.lock import HeldError
from deploy.rollout import health, nginx
from deploy.rollout.containers import exists, set_restart_policy
from deploy.rollout.health import Deadline
from deploy.rollout.site import Cancelled, Site
from deploy.values import labels
from deploy.values.balancing import balancer_name
from deploy.values.errors import Failure, HostError
from deploy.values.plan import HostPlan
from deploy.values.release import Release, proxy_name

WAIT = 120.0
"""Seconds that a host has to come back."""
PAUSE = 1.0
STEP = "undo"


def regain(site: Site, release: Release, plan: HostPlan) -> bool:
    """See that a host can be brought back to what it ran: reached, locked by us alone, its engine answering.

    Args:
        site: the host.
        release: the one that was being rolled out.
        plan: what the host was found with.

    Returns:
        Whether it had been lost.

    Raises:
        LockedError: somebody else has the lock now.
        HostError: it did not come back in time, or somebody else has changed it meanwhile.
        Cancelled: the rollout stops.
    """
    if site.session.is_held() and _engine_answers(site):
        return False
    site.stream.warning(f"Lost; waiting for it, {WAIT:g} s at most.", step=STEP, host=site.host.name)
    deadline = Deadline(WAIT)
    while (why := _try(site)) is not None:
        if deadline.left <= 0:
            raise HostError(
                f"The host did not come back within {WAIT:g} s.", why=_said(why), host=site.host.name
            ) from why
        told = f"{deadline.passed:.0f} s of {WAIT:g} s: {_said(why)}"
        site.stream.progress(told, step=STEP, host=site.host.name)
        site.pause(min(PAUSE, max(deadline.left, 0)))
    _refuse_changed(site, release, plan)
    return True


def stand_up(site: Site, app: str, plan: HostPlan, *, proxy: bool, old: bool) -> None:
    """Start what served before, where it has ended meanwhile.

    An engine that was killed leaves containers down that it finds running when it returns, whatever their
    restart policy is.

    Args:
        site: the host.
        app: the application's name.
        plan: what the host was found with.
        proxy: whether the proxy from before is still to run; else whoever undoes its replacement sees to it.
        old: whether the container from before is still to run; else whoever undoes its stop starts it.

    Raises:
        Failure: the container from before is not healthy.
        DockerException: something cannot be started.
    """
    _start(site, balancer_name(app))
    adopted = plan.was.adopted if plan.was else None
    if proxy and not adopted:
        _start(site, proxy_name(app))
    elif old and adopted and adopted.running:
        _make_way(site, proxy_name(app))
    if old and plan.was and plan.was.running and _start(site, plan.was.id) and not adopted:
        health.await_healthy(site, plan.was.id, plan.was.health)


def _start(site: Site, container: str) -> bool:
    """Start a container that has ended; returns whether it was one."""
    there = exists(site, container)
    if there is None or there["State"]["Running"]:
        return False
    site.api.start(there["Id"])
    return True


def _make_way(site: Site, proxy: str) -> None:
    """Stop a proxy that a killed rollout left in the place of an adopted container, sending nowhere."""
    there = exists(site, proxy)
    if there and there["State"]["Running"]:
        set_restart_policy(site, there["Id"], "no")
        site.api.stop(there["Id"], timeout=nginx.STOP_TIMEOUT)


def _engine_answers(site: Site) -> bool:
    try:
        site.api.ping()
    except (Failure, DockerException, OSError):
        return False
    return True


def _try(site: Site) -> Exception | None:
    """Try once; returns what kept it from succeeding, as long as another try may do better."""
    session = site.session
    try:
        if not session.is_held():
            session.reopen()
        session.reach_engine()
    except Cancelled:
        raise
    except HeldError as error:
        # Ours is held on for a while after a cut, by a process that still waits for a heartbeat.
        if error.owner not in (None, session.owner):
            raise
        return error
    except (HostError, DockerException, OSError) as error:
        return error
    return None


def _refuse_changed(site: Site, release: Release, plan: HostPlan) -> None:
    """Nobody else may have deployed while the lock was lost; each rollout leaves a container of its own."""
    ours = {labels.APP: release.app, labels.PROFILE: release.profile, labels.ROLE: "app"}
    listed = site.api.containers(all=True, filters={"label": [f"{k}={v}" for k, v in ours.items()]})
    known = plan.there | {release.id}
    for item in listed:
        told = item["Labels"]
        if told.get(labels.RELEASE) not in known:
            raise HostError(
                "Somebody else has deployed here while the host was out of reach.",
                why=f"{item['Names'][0].lstrip('/')} was not here before: {told.get(labels.TAG)}, "
                f"by {told.get(labels.DEPLOYED_BY)}.",
                advice="It is left as it is: `invoke status` shows what runs.",
                host=site.host.name,
            )


def _said(error: Exception) -> str:
    return f"{error.what} {error.why}".strip() if isinstance(error, Failure) else str(error)
