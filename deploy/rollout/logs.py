"""The application's log on every host: its last lines, or all that it writes from now on."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, NotFound

from deploy.hosts.connection import Connection
from deploy.hosts.engine import through
from deploy.hosts.fleet import connections, on_each
from deploy.values.errors import Failure, HostError, InputError
from deploy.values.events import Stream
from deploy.values.inventory import Host, Inventory

SILENCE = 7 * 86400.0
"""Seconds that a followed log may be silent; that the host is still there, the connection sees by itself."""
TURN = 0.2
"""Seconds between two looks for a signal."""
AGAIN = 1.0
"""Seconds until a log that ended is looked for again."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a container's log."""

    host: str
    stamp: str
    """When the container wrote it, ISO 8601 in UTC."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines."""

    app: str
    lines: int
    """How many of the last ones."""
    since: float | None = None
    """Seconds since the epoch, by the hosts' clocks; None for as far back as there is any."""

    def given(self) -> dict[str, Any]:
        """As the engine is asked."""
        return {"tail": self.lines, "timestamps": True, **({"since": self.since} if self.since else {})}


def logs(wanted: Wanted, inventory: Inventory, *, host: str, tell: Callable[[Line], None]) -> None:
    """Tell the last lines, host after host.

    Raises:
        InputError: no such host in the inventory.
        HostError: a host cannot be reached, or runs nothing of this application.
    """
    chosen = _only(inventory, host)
    with connections(chosen.hosts, chosen.access) as reached:
        fetched = on_each(list(reached.values()), lambda connection: _lines(connection, wanted))
    for of_host in fetched:
        for line in of_host:
            tell(line)


def follow(
    wanted: Wanted, inventory: Inventory, stream: Stream, *, host: str, tell: Callable[[Line], None]
) -> None:
    """Tell the last lines, then every further one as it comes, of all hosts mixed; ends by a signal only.

    A release that replaces another is followed on. A host whose connection breaks is warned of; the others
    go on.

    Raises:
        InputError: no such host in the inventory.
        HostError: a host cannot be reached at the beginning, or the last one's connection broke.
    """
    chosen = _only(inventory, host)
    with connections(chosen.hosts, chosen.access) as reached:
        on_each(list(reached.values()), lambda connection: _must_be_there(connection, wanted.app))
        heard: queue.SimpleQueue[Line | Failure] = queue.SimpleQueue()
        for connection in reached.values():
            watch = threading.Thread(target=_watch, args=(connection, wanted, heard), daemon=True)
            watch.start()
        _tell_all(heard, len(reached), stream, tell)


def _tell_all(
    heard: "queue.SimpleQueue[Line | Failure]", hosts: int, stream: Stream, tell: Callable[[Line], None]
) -> None:
    """In short turns, so that a signal is heard."""
    while True:
        try:
            each = heard.get(timeout=TURN)
        except queue.Empty:
            continue
        if isinstance(each, Line):
            tell(each)
            continue
        hosts -= 1
        if not hosts:
            raise each
        stream.warning(f"Its log is not followed any more: {each.what} {each.why}", host=each.host)


def _watch(connection: Connection, wanted: Wanted, heard: "queue.SimpleQueue[Line | Failure]") -> None:
    try:
        with closing(through(connection, timeout=SILENCE)) as client:
            for line in _followed(client.api, connection.host, wanted):
                heard.put(line)
    except Failure as failure:
        heard.put(failure)


def _followed(api: Any, host: Host, wanted: Wanted) -> Iterator[Line]:
    """The log of whatever has the application's name, one container after the other."""
    seen = ""
    last = ""
    pause = threading.Event()
    while True:
        try:
            container = str(api.inspect_container(wanted.app)["Id"])
            given = wanted.given() if not seen else {"timestamps": True, "tail": "all"}
            for line in _as_lines(host.name, api.logs(container, stream=True, follow=True, **given)):
                if container != seen or line.stamp > last:
                    last = line.stamp
                    yield line
            seen = container
        except NotFound:
            pass  # Between two names, or gone: the next release will have it.
        except APIError as error:
            raise HostError(
                "The log cannot be read.", why=str(error.explanation or error), host=host.name
            ) from error
        pause.wait(AGAIN)


def _as_lines(host: str, parts: Iterator[bytes]) -> Iterator[Line]:
    """Lines of what comes in pieces."""
    buffer = b""
    for part in parts:
        *whole, buffer = (buffer + part).split(b"\n")
        yield from (_line(host, each.decode("utf-8", "replace")) for each in whole)
    if buffer:
        yield _line(host, buffer.decode("utf-8", "replace"))


def _only(inventory: Inventory, name: str) -> Inventory:
    if not name:
        return inventory
    hosts = tuple(host for host in inventory.hosts if host.name == name)
    if not hosts:
        known = ", ".join(host.name for host in inventory.hosts)
        raise InputError(f"No host {name!r} in this profile.", advice=f"Its hosts are {known}.")
    return Inventory(hosts=hosts, access=inventory.access)


def _lines(connection: Connection, wanted: Wanted) -> Sequence[Line]:
    with closing(through(connection)) as client:
        try:
            raw: bytes = client.api.logs(wanted.app, **wanted.given())
        except NotFound:
            raise _nothing(connection, wanted.app) from None
    return [_line(connection.host.name, line) for line in raw.decode("utf-8", "replace").splitlines()]


def _must_be_there(connection: Connection, app: str) -> None:
    with closing(through(connection)) as client:
        try:
            client.api.inspect_container(app)
        except NotFound:
            raise _nothing(connection, app) from None


def _nothing(connection: Connection, app: str) -> HostError:
    return HostError(
        f"No container {app} to read a log from.",
        advice="Run `invoke deploy` first.",
        host=connection.host.name,
    )


def _line(host: str, text: str) -> Line:
    stamp, _, rest = text.partition(" ")
    return Line(host=host, stamp=stamp, text=rest.rstrip("\r"))
