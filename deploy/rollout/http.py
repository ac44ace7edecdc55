"""One HTTP GET to an address that only the host can reach, through its SSH connection."""

import http.client
from dataclasses import dataclass

from deploy.hosts.channel import ChannelSocket
from deploy.hosts.connection import Connection

BODY_BYTES = 300
"""How much of a body is read unless more is asked for: enough to show in an error."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: str
    """Its beginning."""

    def __str__(self) -> str:
        body = " ".join(self.body.split())
        return f"HTTP {self.status} {body}".rstrip()


class _Through(http.client.HTTPConnection):
    """An HTTP connection whose socket is a forwarded channel."""

    def __init__(self, connection: Connection, address: str, port: int, timeout: float) -> None:
        super().__init__(address, port, timeout=timeout)
        self._connection = connection
        self._timeout = timeout

    def connect(self) -> None:
        channel = self._connection.open_direct(self.host, self.port, timeout=self._timeout)
        channel.settimeout(self._timeout)
        self.sock = ChannelSocket(channel)


def get(
    connection: Connection, address: str, port: int, path: str, *, timeout: float, most: int = BODY_BYTES
) -> Answer:
    """Ask once.

    Args:
        connection: the host's.
        address: of a container, as its host knows it.
        port: the port there.
        path: path and query.
        timeout: seconds for each of connecting and answering.
        most: bytes of the body that are read.

    Raises:
        OSError: nothing listens, the connection broke, or no answer came in time.
        HostError: the host does not forward.
    """
    through = _Through(connection, address, port, timeout)
    try:
        through.request("GET", path, headers={"User-Agent": "jarship", "Connection": "close"})
        response = through.getresponse()
        body = response.read(most)
    except http.client.HTTPException as error:
        raise ConnectionError(f"no HTTP answer ({type(error).__name__})") from error
    finally:
        through.close()
    return Answer(status=response.status, body=body.decode("utf-8", "replace"))
