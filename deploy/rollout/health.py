"""Whether a container is healthy, asked of its own address so that no other can answer for it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.hosts.connection import Connection
from deploy.rollout import http
from deploy.rollout.site import Site
from deploy.values.errors import Failure
from deploy.values.release import HealthCheck

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
PROBE_TIMEOUT = 5.0
MONITOR_PAUSE = 0.5

LONGEST = 300
"""Characters of what a HEALTHCHECK printed: enough to show in an error."""

SIGKILLED = 137

Inspect = Mapping[str, Any]


class Unhealthy(Failure):
    """The container crashed, restarted, or did not answer its health check as it should."""


@dataclass
class Deadline:
    """A moment that waiting ends at."""

    seconds: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.begun = self.clock()

    @property
    def passed(self) -> float:
        """Seconds since the beginning."""
        return self.clock() - self.begun

    @property
    def left(self) -> float:
        """Seconds left; negative when over."""
        return self.seconds - self.passed


def await_healthy(site: Site, container: str, check: HealthCheck) -> None:
    """Wait until a started container is healthy.

    That it once restarted, long before, is not held against a container that is well.

    Raises:
        Unhealthy: it exited or restarted (at once), or was not healthy in time (naming the last answer).
        Cancelled: the rollout stops.
    """
    deadline = Deadline(check.timeout)
    pause = FIRST_PAUSE
    restarts = int(site.api.inspect_container(container)["RestartCount"])
    while True:
        seen = inspect_running(site, container, restarts=restarts)
        patience = min(PROBE_TIMEOUT, max(deadline.left, 0.5))
        last, healthy = probe(site.connection, seen, check, timeout=patience)
        if healthy:
            return
        if deadline.left <= 0:
            raise Unhealthy(
                f"Not healthy within {check.timeout:g} s.",
                why=f"{check.asks}: {last}",
                advice="Raise HEALTH_TIMEOUT if the application needs longer, or set HEALTH_PATH or "
                "CONTAINER_PORT if it answers elsewhere.",
                host=site.host.name,
                step="health",
                details=log_tail(site, container),
            )
        site.stream.progress(
            f"{deadline.passed:.0f} s of {check.timeout:g} s: {last}", step="health", host=site.host.name
        )
        site.pause(min(pause, max(deadline.left, 0)))
        pause = min(pause * 1.5, LONGEST_PAUSE)


def monitor(site: Site, container: str, check: HealthCheck) -> None:
    """See a healthy container stay so; two failing answers in a row are a failure, a crash at once.

    So is a crash since it was started: the engine may have restarted it before it is looked at here.

    Raises:
        Unhealthy: it did not.
        Cancelled: the rollout stops.
    """
    deadline = Deadline(check.monitor)
    misses = 0
    while deadline.left > 0:
        seen = inspect_running(site, container)
        last, healthy = probe(site.connection, seen, check, timeout=PROBE_TIMEOUT)
        misses = 0 if healthy else misses + 1
        if misses == 2:
            raise Unhealthy(
                f"Was healthy, and failed {deadline.passed:.1f} s later.",
                why=f"{check.asks}: {last}",
                host=site.host.name,
                step="monitor",
                details=log_tail(site, container),
            )
        site.pause(min(MONITOR_PAUSE, max(deadline.left, 0)))


def probe(connection: Connection, seen: Inspect, check: HealthCheck, *, timeout: float) -> tuple[str, bool]:
    """Ask once; returns what came back, in words, and whether it is healthy.

    Args:
        seen: the container, inspected just now.
        timeout: seconds for an answer.
    """
    if check.by_image:
        return _judged(seen)
    address = container_address(seen)
    if not address:
        return "no address yet", False
    try:
        answer = http.get(connection, address, check.port, check.path, timeout=timeout)
    except TimeoutError:
        return f"no answer within {timeout:.0f} s", False
    except OSError as error:
        return f"{error}" or type(error).__name__, False
    return str(answer), check.accepts(answer.status)


def _judged(seen: Inspect) -> tuple[str, bool]:
    """What the engine found by the image's HEALTHCHECK, and what that printed last."""
    told = seen["State"].get("Health") or {}
    status = str(told.get("Status") or "the engine runs no check")
    runs = told.get("Log") or ()
    last = f"exit code {runs[-1]['ExitCode']} {' '.join(runs[-1]['Output'].split())}" if runs else ""
    return f"{status} {last}".rstrip()[:LONGEST], status == "healthy"


def inspect_running(site: Site, container: str, *, restarts: int = 0) -> Inspect:
    """Inspect a container that must be running and have restarted no more often than before.

    Raises:
        Unhealthy: it is not, or has; says the exit code and whether memory ran out.
    """
    seen: Inspect = site.api.inspect_container(container)
    state = seen["State"]
    restarted = seen["RestartCount"] > restarts
    if state["Running"] and not state["Restarting"] and not restarted:
        return seen
    what = "The application restarted." if restarted else "The application exited."
    raise Unhealthy(
        what,
        why=why_stopped(seen),
        advice="Its log is below, and whole in the failure folder.",
        host=site.host.name,
        step="health",
        details=log_tail(site, container),
    )


def why_stopped(seen: Inspect) -> str:
    """Why a container is not running, in words, from its inspection."""
    state = seen["State"]
    limit = seen["HostConfig"]["Memory"]
    # Engine 20.10 on cgroup v1 does not always notice: then SIGKILL, which nobody here sent, is the sign.
    if limit and (state["OOMKilled"] or state["ExitCode"] == SIGKILLED):
        return f"OOM-killed, limit {limit // 2**20}m; raise MEMORY or give the heap less of it."
    why = f"exit code {state['ExitCode']}"
    return f"{why}: {state['Error']}" if state.get("Error") else why


def container_address(seen: Inspect) -> str:
    """The container's address in its first network; empty while it has none."""
    networks = seen["NetworkSettings"]["Networks"] or {}
    return next((str(network["IPAddress"]) for network in networks.values() if network["IPAddress"]), "")


def log_tail(site: Site, container: str, lines: int = 20) -> tuple[str, ...]:
    """The last lines of a container's log, standard output and error together."""
    raw: bytes = site.api.logs(container, tail=lines)
    return tuple(raw.decode("utf-8", "replace").splitlines())
