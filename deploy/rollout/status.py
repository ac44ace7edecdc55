"""What runs on each host; takes no lock and changes nothing."""

from contextlib import closing
from dataclasses import asdict
from typing import Any

from docker.errors import NotFound

from deploy.hosts.connection import Connection
from deploy.hosts.engine import through
from deploy.hosts.fleet import connections, on_each
from deploy.rollout import nginx
from deploy.rollout.adopt import ask
from deploy.rollout.found import health_of
from deploy.rollout.health import Inspect, probe, why_stopped
from deploy.rollout.usage import measure
from deploy.values import history, labels
from deploy.values.adopting import Adopted, read
from deploy.values.balancing import balancer_name
from deploy.values.inventory import Host, Inventory
from deploy.values.release import HealthCheck, proxy_name

UNKNOWN = HealthCheck(path="/", port=8080, below=500, timeout=5)


def status(
    app: str, inventory: Inventory, *, usage: bool = False, numbers: bool = False
) -> list[dict[str, object]]:
    """One row a host: release, digest, since when, health, address; then one a balancer.

    Args:
        app: the application's name.
        inventory: the hosts.
        usage: also what the container uses of its limits, which takes a second or two.
        numbers: usage in bytes and cores, for a program, instead of words.

    Raises:
        HostError: a host cannot be reached.
    """
    balancing = {host.name for host in inventory.balancers}

    def row(connection: Connection) -> dict[str, object]:
        if connection.host.name in balancing:
            return _balancer(connection, app, usage=usage, numbers=numbers)
        return _row(connection, app, usage=usage, numbers=numbers)

    with connections(inventory.every(), inventory.access) as reached:
        return on_each(list(reached.values()), row)


def _balancer(connection: Connection, app: str, *, usage: bool, numbers: bool) -> dict[str, object]:
    with closing(through(connection)) as client:
        seen = _inspect(client.api, balancer_name(app))
        over = nginx.told(connection, seen) if seen else ""
        used = _usage(client.api, seen, numbers=numbers) if usage else {}
    if seen is None:
        return _cells(connection.host, state="no balancer yet") | used
    cells = _cells(
        connection.host,
        state=f"{_state(seen)}, balances over {' '.join(over.split()) or 'nobody'}",
        since=seen["State"]["StartedAt"][:19] + "Z",
    )
    return cells | used


def _row(connection: Connection, app: str, *, usage: bool, numbers: bool) -> dict[str, object]:
    host = connection.host
    with closing(through(connection)) as client:
        seen = _inspect(client.api, app)
        sends_to = _sends_to(client.api, connection, app)
        adopted = None if seen else _adopted(client.api, app)
        measured = adopted[1] if adopted else seen
        used = _usage(client.api, measured, numbers=numbers) if usage else {}
    if adopted:
        return _cells(host, **_as_it_stands(connection, *adopted)) | used
    if seen is None:
        return _cells(host, state="nothing deployed") | used
    said = seen["Config"]["Labels"]
    serves = sends_to == f"r{said.get(labels.RELEASE)}"
    cells = _cells(
        host,
        release=said.get(labels.TAG, ""),
        digest=said.get(labels.DIGEST, ""),
        state=_state(seen) if serves else f"{_state(seen)}, the proxy sends to {sends_to or 'nothing'}",
        since=seen["State"]["StartedAt"][:19] + "Z",
        health=_health(connection, seen),
        by=said.get(labels.DEPLOYED_BY, ""),
    )
    return cells | used


def _usage(api: Any, seen: Inspect | None, *, numbers: bool) -> dict[str, object]:
    """Always the same columns."""
    columns = ("memory", "memory_limit", "cpus", "cpus_limit", "oom_kills", "restarts")
    nothing: dict[str, object] = dict.fromkeys(columns if numbers else (columns[0], columns[2], *columns[4:]))
    used = measure(api, seen) if seen else None
    if used is None:
        return nothing
    return asdict(used) if numbers else used.cells()


def _cells(host: Host, **known: str) -> dict[str, object]:
    """A row with every column, so that rows line up and JSON has the same keys everywhere."""
    columns = ("release", "digest", "state", "since", "health", "by")
    return {"host": host.name, **{column: known.get(column, "") for column in columns}, "address": host.url}


def _inspect(api: Any, name: str) -> Inspect | None:
    """A container of ours; images carry some of the labels too, whoever runs them."""
    seen = _look(api, name)
    return seen if seen and (seen["Config"]["Labels"] or {}).get(labels.ROLE) else None


def _look(api: Any, name: str) -> Inspect | None:
    try:
        seen: Inspect = api.inspect_container(name)
    except NotFound:
        return None
    return seen


def _adopted(api: Any, app: str) -> tuple[Adopted, Inspect] | None:
    """The adopted container, where somebody went back to it."""
    kept = api.containers(all=True, filters={"label": [f"{labels.APP}={app}", f"{labels.ROLE}=app"]})
    told = (entry.adopted for item in kept for entry in history.read(item["Labels"].get(labels.HISTORY, "")))
    one = next((adopted for text in told if (adopted := read(text))), None)
    there = _look(api, one.id) if one else None
    return (one, there) if one and there and there["Name"].lstrip("/") != one.kept_as else None


def _as_it_stands(connection: Connection, adopted: Adopted, seen: Inspect) -> dict[str, str]:
    wrong = ask(connection, adopted.address, adopted.port)
    health = f"does not answer: {wrong}" if wrong else "answers"
    return {
        "release": adopted.tag,
        "state": _state(seen),
        "since": seen["State"]["StartedAt"][:19] + "Z",
        "health": health if seen["State"]["Running"] else "down",
    }


def _sends_to(api: Any, connection: Connection, app: str) -> str:
    seen = _inspect(api, proxy_name(app))
    return nginx.told(connection, seen) if seen else ""


def _state(seen: Inspect) -> str:
    return "running" if seen["State"]["Running"] else f"stopped ({why_stopped(seen)})"


def _health(connection: Connection, seen: Inspect) -> str:
    if not seen["State"]["Running"]:
        return "down"
    last, healthy = probe(connection, seen, health_of(seen["Config"]["Labels"], UNKNOWN), timeout=5)
    return "healthy" if healthy else f"unhealthy: {last}"
