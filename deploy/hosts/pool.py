"""HTTP connections over session channels: few, kept open, and never lost.

urllib3's own pool counts a connection as taken until its response was released by hand; a stream that its
reader dropped would keep a channel for ever, and there are two. So the pool counts by the channels
themselves.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from docker.transport.basehttpadapter import BaseHTTPAdapter
from requests import PreparedRequest
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from deploy.hosts.channel import ChannelSocket, Explain
from deploy.hosts.connection import Connection
from deploy.values.errors import HostError

DIAL = "docker system dial-stdio"
WAIT = 120.0
"""Seconds a call waits for a free channel."""


class Adapter(BaseHTTPAdapter):
    """Sends what requests wants to send over the channels of one connection."""

    def __init__(self, connection: Connection, channels: int, explain: Explain) -> None:
        super().__init__()
        self.pool = Pool(connection, channels, explain)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> "Pool":
        """The pool, for every URL."""
        return self.pool

    def request_url(self, request: PreparedRequest, _proxies: Any) -> str:
        """Path and query only: the engine is the server itself."""
        return str(request.path_url)

    def close(self) -> None:
        """Close every channel."""
        super().close()
        self.pool.close()


class Pool(HTTPConnectionPool):
    """At most `channels` HTTP connections, given out one caller each."""

    def __init__(self, connection: Connection, channels: int, explain: Explain) -> None:
        super().__init__("localhost")
        self._ssh = connection
        self._explain = explain
        self._changed = threading.Condition()
        self._lent: set[ChannelConnection] = set()
        self._free = [self._new_conn() for _ in range(channels)]
        self._closed = False

    def warm(self) -> None:
        """Start a channel in place of one that was used up, so that the next call need not wait for it."""
        with self._changed:
            cold = next((conn for conn in self._free if not conn.is_connected), None)
            if cold is None or self._closed:
                return
            self._free.remove(cold)
            self._lent.add(cold)
        threading.Thread(target=self._warm, args=(cold,), daemon=True).start()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Keep one of the places without a channel; waits for one that is free."""
        while (conn := self._get_conn(coldest=True)).is_connected:
            conn.close()
        try:
            yield
        finally:
            self._put_conn(conn)

    def ended(self, conn: "ChannelConnection") -> None:
        """Take note that a connection's channel is closed; another may be opened instead."""
        with self._changed:
            if conn in self._lent:
                self._lent.remove(conn)
                # Not this one again: whoever still has it in hand must not give back its successor.
                self._free.append(self._new_conn())
                self._changed.notify()

    def close(self) -> None:
        """Close every channel; those in use when they are given back."""
        super().close()
        with self._changed:
            self._closed = True
            free = list(self._free)
        for conn in free:
            conn.close()

    def _warm(self, conn: "ChannelConnection") -> None:
        with contextlib.suppress(HostError):
            conn.connect()  # The next call meets the failure again, and tells it.
        self._put_conn(conn)

    def _new_conn(self) -> "ChannelConnection":
        return ChannelConnection(self, self._ssh, self._explain)

    def _get_conn(self, timeout: float | None = None, *, coldest: bool = False) -> "ChannelConnection":
        deadline = time.monotonic() + (timeout or WAIT)
        with self._changed:
            while not self._free:
                # Without an end, a stream that somebody forgot to close would be a wait for ever.
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise HostError("All channels to Docker are busy.", host=self._ssh.host.name)
            choose = min if coldest else max
            conn = choose(self._free, key=lambda conn: (conn.is_connected, conn.sock is not None))
            self._free.remove(conn)
            self._lent.add(conn)
        if not conn.is_connected and conn.sock is not None:
            conn.sock.shutdown(0)  # The engine hung up on an idle channel, as when it was restarted.
            return self._get_conn(timeout, coldest=coldest)
        return conn

    def _put_conn(self, conn: Any) -> None:
        with self._changed:
            if conn not in self._lent:
                return
            self._lent.remove(conn)
            self._free.append(conn)
            self._changed.notify()
            closed = self._closed
        if closed:
            conn.close()


class ChannelConnection(HTTPConnection):
    """An HTTP connection whose socket is a channel."""

    sock: Any

    def __init__(self, pool: Pool, connection: Connection, explain: Explain) -> None:
        super().__init__("localhost")
        self._home = pool
        self._ssh = connection
        self._explain = explain

    def connect(self) -> None:
        """Start `dial-stdio` on the host."""
        channel = self._ssh.open_session(DIAL)
        self.sock = ChannelSocket(channel, self._explain, lambda: self._home.ended(self))

    @property
    def is_connected(self) -> bool:
        """Whether another request may go out on it."""
        return self.sock is not None and bool(self.sock.usable())

    def close(self) -> None:
        """Close it; a response that is still read keeps the channel until it is closed too."""
        never_opened = self.sock is None
        super().close()
        if never_opened:
            self._home.ended(self)
