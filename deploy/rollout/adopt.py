"""Taking over a container that somebody else started, and giving it back its place; each with its undo."""

from deploy.hosts.connection import Connection
from deploy.rollout import health, http, nginx
from deploy.rollout.adoption import address
from deploy.rollout.containers import exists, set_restart_policy
from deploy.rollout.health import Deadline, Unhealthy, why_stopped
from deploy.rollout.site import Site
from deploy.values.addresses import Published
from deploy.values.adopting import Adopted, left_name
from deploy.values.adopting_steps import Adopt, Close, GiveBack, Reinstate, Return
from deploy.values.release import HealthCheck, proxy_name
from deploy.values.steps import ReviveProxy

ONCE = 3.0
"""Seconds for an answer when it is only asked whether there is one."""
PAUSE = 0.1
STOP_TIMEOUT = 1
"""Seconds for the proxy to answer what it has begun. It would keep idle connections for longer, and takes no
new ones: every user would wait for a few."""
ANY = HealthCheck(path="/", port=0, below=500, timeout=0)


def answers(site: Site, at: Published) -> bool:
    """Whether something answers below 500 at a host's APP_PORT."""
    return not ask(site.connection, address(at), at.port)


def ask(connection: Connection, where: str, port: int) -> str:
    """Ask once; returns what is wrong with the answer, empty when nothing is."""
    try:
        answer = http.get(connection, where, port, ANY.path, timeout=ONCE)
    except OSError as error:
        return str(error) or type(error).__name__
    return "" if ANY.accepts(answer.status) else str(answer)


def adopt(step: Adopt, site: Site) -> None:
    """The name first: by it the next rollout knows that the record in the labels counts, not what it sees."""
    _rename(site, step.adopted.id, step.adopted.kept_as)
    set_restart_policy(site, step.adopted.id, "no")


def disown(step: Adopt, site: Site) -> None:
    """The name last, for the same reason."""
    _set_own_policy(site, step.adopted)
    _rename(site, step.adopted.id, step.adopted.name)


def close(step: Close, site: Site) -> None:
    """Stop it; it has the time that it was started with."""
    site.api.stop(step.adopted.id)


def reopen(step: Close, site: Site) -> None:
    """Start it, if it ran."""
    if step.adopted.running:
        site.api.start(step.adopted.id)
        await_answer(site, step.adopted, step.timeout)


def give_back(step: GiveBack, site: Site) -> None:
    """Stop the proxy."""
    _stop_proxy(site, step.container)


def close_proxy(step: ReviveProxy, site: Site) -> None:
    """Stop a proxy again that took the port of an adopted container."""
    if step.stops:
        _stop_proxy(site, step.container)


def _stop_proxy(site: Site, container: str) -> None:
    """The policy last: the next rollout takes one that runs for one that is as it should be."""
    site.api.stop(container, timeout=STOP_TIMEOUT)
    set_restart_policy(site, container, "no")


def take_again(step: GiveBack, site: Site) -> None:
    """Start the proxy again."""
    if step.running:
        nginx.revive(site, proxy_name(step.app), step.container)


def come_back(step: Return, site: Site) -> None:
    """Start it; it need not answer where it never did."""
    site.api.start(step.adopted.id)
    await_answer(site, step.adopted, step.timeout)


def go_away(step: Return, site: Site) -> None:
    """Stop it again."""
    site.api.stop(step.adopted.id)


def reinstate(step: Reinstate, site: Site) -> None:
    """Its name last: only with that it is the host's release."""
    if step.old:
        _rename(site, step.old.id, left_name(step.app, step.old.release))
    _set_own_policy(site, step.adopted)
    _rename(site, step.adopted.id, step.adopted.name)


def depose(step: Reinstate, site: Site) -> None:
    """The same the other way round."""
    _rename(site, step.adopted.id, step.adopted.kept_as)
    set_restart_policy(site, step.adopted.id, "no")
    if step.old:
        _rename(site, step.old.id, step.old.name)


def await_answer(site: Site, adopted: Adopted, timeout: float) -> None:
    """Wait until an adopted container is as it was found: running, and answering at APP_PORT if it did.

    Raises:
        Unhealthy: it is not, in time.
        Cancelled: the rollout stops.
    """
    deadline = Deadline(timeout)
    while last := _lacks(site, adopted):
        if deadline.left <= 0:
            raise Unhealthy(
                f"{adopted.name} is not back within {timeout:g} s.",
                why=last,
                advice="It is as it was before it was adopted, and has to be mended as it was made.",
                host=site.host.name,
                step="return",
                details=health.log_tail(site, adopted.id),
            )
        site.pause(PAUSE)


def _lacks(site: Site, adopted: Adopted) -> str:
    """What it lacks of how it was found; empty when nothing."""
    seen = site.api.inspect_container(adopted.id)
    if not adopted.answered:
        return "" if seen["State"]["Running"] else why_stopped(seen)
    if not seen["State"]["Running"]:
        return why_stopped(seen)
    return ask(site.connection, adopted.address, adopted.port)


def _set_own_policy(site: Site, adopted: Adopted) -> None:
    policy = {"Name": adopted.policy, "MaximumRetryCount": adopted.retries}
    site.api.update_container(adopted.id, restart_policy=policy)


def _rename(site: Site, container: str, name: str) -> None:
    """Name a container, unless it has that name: the engine refuses the same again."""
    seen = exists(site, container)
    if seen and seen["Name"].lstrip("/") != name:
        site.api.rename(container, name)
