"""A port on a host's loopback that leads back here, for as long as it is wanted.

SSH's remote forwarding: the host's sshd listens, and each connection comes as a channel of the SSH connection
that is there already (RFC 4254, section 7.1).
"""

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import paramiko

from deploy.hosts.channel import ChannelSocket
from deploy.values.errors import HostError

LOOPBACK = "127.0.0.1"


class Tunnel:
    """A port of a host that is served here, from its opening to `close`.

    Args:
        transport: of the connection to the host.
        port: where the host listens, on its loopback only.
        serve: called with each connection, in a thread of its own.

    Raises:
        paramiko.SSHException: the host refuses, or the link broke.
    """

    def __init__(
        self, transport: paramiko.Transport, port: int, serve: Callable[[ChannelSocket], None]
    ) -> None:
        self._transport, self._port, self._serve = transport, port, serve
        self._open: set[paramiko.Channel] = set()
        transport.request_port_forward(LOOPBACK, port, self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Have the host listen no more, and end the connections that are left."""
        with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
            if self._transport.is_active():
                self._transport.cancel_port_forward(LOOPBACK, self._port)
        for channel in list(self._open):
            channel.close()

    def _accept(self, channel: paramiko.Channel, _origin: tuple[str, int], _server: tuple[str, int]) -> None:
        # In the thread that reads the link, which must not wait.
        self._open.add(channel)
        threading.Thread(target=self._answer, args=(channel,), daemon=True).start()

    def _answer(self, channel: paramiko.Channel) -> None:
        try:
            self._serve(ChannelSocket(channel))
        finally:
            self._open.discard(channel)
            channel.close()


def refused(host: str, user: str, port: int, key: str, *, taken: bool) -> HostError:
    """The error for a port that a host does not listen on.

    Args:
        host: its name.
        user: who logged in there.
        port: the one that was asked for.
        key: the setting that names it.
        taken: whether something listens on it already.
    """
    if taken:
        return HostError(
            f"Port {port} of the host's loopback is taken, where its Docker is to find the registry.",
            why="Another application is being released there the same way, or a program listens on it.",
            advice=f"Try again when that is done (`sudo ss -ltnp sport = :{port}` names it), or set {key} to "
            "a port of this application's own.",
            host=host,
        )
    return HostError(
        "The SSH server forbids remote TCP forwarding, through which the host is to reach the registry.",
        why="AllowTcpForwarding, DisableForwarding or PermitListen in its sshd_config, or `restrict` before "
        "the key in authorized_keys.",
        advice=f"Write in /etc/ssh/sshd_config `Match User {user}` and below it `AllowTcpForwarding yes`, "
        "then: sudo systemctl reload ssh",
        host=host,
    )
