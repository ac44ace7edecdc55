"""What runs on each host, and its log; takes no lock and changes nothing."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from docker.errors import NotFound

from deploy.hosts.connection import Connection
from deploy.hosts.engine import through
from deploy.hosts.fleet import connections, on_each
from deploy.rollout import http, proxy
from deploy.rollout.found import health_of
from deploy.rollout.health import Inspect, container_address, why_stopped
from deploy.values import labels
from deploy.values.errors import HostError, InputError
from deploy.values.inventory import Host, Inventory
from deploy.values.release import HealthCheck, proxy_name

UNKNOWN = HealthCheck(path="/", port=8080, below=500, timeout=5)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a container's log."""

    host: str
    stamp: str
    """When the container wrote it, ISO 8601 in UTC."""
    text: str


def status(app: str, inventory: Inventory) -> list[dict[str, object]]:
    """One row a host: release, digest, since when, health, address.

    Raises:
        HostError: a host cannot be reached.
    """
    with connections(inventory.hosts, inventory.access) as reached:
        return on_each(list(reached.values()), lambda connection: _row(connection, app))


def _row(connection: Connection, app: str) -> dict[str, object]:
    host = connection.host
    with closing(through(connection)) as client:
        seen = _inspect(client.api, app)
        sends_to = _sends_to(client.api, connection, app)
    if seen is None:
        return _cells(host, state="nothing deployed")
    said = seen["Config"]["Labels"]
    serves = sends_to == f"r{said.get(labels.RELEASE)}"
    return _cells(
        host,
        release=said.get(labels.TAG, ""),
        digest=said.get(labels.DIGEST, ""),
        state=_state(seen) if serves else f"{_state(seen)}, the proxy sends to {sends_to or 'nothing'}",
        since=seen["State"]["StartedAt"][:19] + "Z",
        health=_health(connection, seen),
        by=said.get(labels.DEPLOYED_BY, ""),
    )


def _cells(host: Host, **known: str) -> dict[str, object]:
    """A row with every column, so that rows line up and JSON has the same keys everywhere."""
    columns = ("release", "digest", "state", "since", "health", "by")
    return {"host": host.name, **{column: known.get(column, "") for column in columns}, "address": host.url}


def _inspect(api: Any, name: str) -> Inspect | None:
    try:
        seen: Inspect = api.inspect_container(name)
    except NotFound:
        return None
    return seen if (seen["Config"]["Labels"] or {}).get(labels.APP) else None


def _sends_to(api: Any, connection: Connection, app: str) -> str:
    seen = _inspect(api, proxy_name(app))
    return proxy.alias_of(connection, seen) if seen else ""


def _state(seen: Inspect) -> str:
    return "running" if seen["State"]["Running"] else f"stopped ({why_stopped(seen)})"


def _health(connection: Connection, seen: Inspect) -> str:
    if not seen["State"]["Running"]:
        return "down"
    check = health_of(seen["Config"]["Labels"], UNKNOWN)
    try:
        answer = http.get(connection, container_address(seen), check.port, check.path, timeout=5)
    except OSError as error:
        return f"unhealthy: {error}"
    return "healthy" if check.accepts(answer.status) else f"unhealthy: {answer}"


def logs(app: str, inventory: Inventory, *, host: str, lines: int, tell: Callable[[Line], None]) -> None:
    """Tell the last lines of the application's log, host after host.

    Raises:
        InputError: no such host in the inventory.
        HostError: a host cannot be reached, or runs nothing of this application.
    """
    chosen = _only(inventory, host)
    with connections(chosen.hosts, chosen.access) as reached:
        fetched = on_each(list(reached.values()), lambda connection: _lines(connection, app, lines))
    for of_host in fetched:
        for line in of_host:
            tell(line)


def _only(inventory: Inventory, name: str) -> Inventory:
    if not name:
        return inventory
    hosts = tuple(host for host in inventory.hosts if host.name == name)
    if not hosts:
        known = ", ".join(host.name for host in inventory.hosts)
        raise InputError(f"No host {name!r} in this profile.", advice=f"Its hosts are {known}.")
    return Inventory(hosts=hosts, access=inventory.access)


def _lines(connection: Connection, app: str, lines: int) -> Sequence[Line]:
    with closing(through(connection)) as client:
        try:
            raw: bytes = client.api.logs(app, tail=lines, timestamps=True)
        except NotFound:
            raise HostError(
                f"No container {app} to read a log from.",
                advice="Run `invoke deploy` first.",
                host=connection.host.name,
            ) from None
    return [_line(connection.host.name, line) for line in raw.decode("utf-8", "replace").splitlines()]


def _line(host: str, text: str) -> Line:
    stamp, _, rest = text.partition(" ")
    return Line(host=host, stamp=stamp, text=rest)
