"""Know whether the other side of a connection is still there."""

import contextlib
import socket
import threading
import time
from typing import Any

import paramiko
from paramiko.common import cMSG_GLOBAL_REQUEST

ASK_AFTER = 5.0
"""Seconds of silence after which the server is asked for a sign of life, and again after as many."""
GIVE_UP_AFTER = 15.0
"""Seconds of silence after which the link counts as dead."""


class Link:
    """What carries a connection, a socket or a channel of a gateway, with a memory of when it last heard.

    The kernel notices a dead peer of a socket only, not what is dead behind a gateway or a port forwarder;
    paramiko's own keepalive asks for no answer.
    """

    def __init__(self, carrier: Any) -> None:
        self.carrier = carrier
        self.heard = time.monotonic()

    def recv(self, size: int) -> bytes:
        """Read, and acknowledge at once.

        After login sshd sends its other host keys with Nagle's algorithm still on, so its next answer waits
        for the acknowledgement, which Linux delays: the first command took 47 ms, and takes 7 ms with this.
        The option wears off, hence at every read.
        """
        data: bytes = self.carrier.recv(size)
        self.heard = time.monotonic()
        if hasattr(socket, "TCP_QUICKACK") and isinstance(self.carrier, socket.socket):
            with contextlib.suppress(OSError):
                self.carrier.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.carrier, name)


class Watch:
    """Ends a connection whose other side has fallen silent, so that every wait on it ends too."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self._transport = transport
        self._done = threading.Event()
        self._link: Link = transport.sock  # type: ignore[assignment]  # paramiko takes all that reads and writes
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._done.set()

    def _run(self) -> None:
        asked = 0.0
        while not self._done.wait(1.0) and self._transport.is_active():
            now = time.monotonic()
            silent = now - self._link.heard
            if silent >= GIVE_UP_AFTER:
                self._transport.close()
            elif silent >= ASK_AFTER and now - asked >= ASK_AFTER:
                asked = now
                # In a thread of its own: with a full buffer it waits, for the very link that it asks about.
                threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        """Send a request that no server knows, which every server has to answer (RFC 4254, section 4)."""
        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
            self._transport._send_user_message(message)  # type: ignore[attr-defined]
