"""What paramiko leaves open, where no server is needed to see it."""

import socket
from typing import Any

import paramiko
import pytest

from deploy.hosts.opening import Transport


def test_a_link_that_ends_while_something_is_sent_is_told_by_the_next_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ended(_: paramiko.Message) -> None:
        raise EOFError

    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = Transport(ours)
        monkeypatch.setattr(transport, "active", True)
        monkeypatch.setattr(transport, "_send_message", ended)
        transport.clear_to_send.set()
        channel: Any = paramiko.Channel(0)
        channel._set_transport(transport)
        channel._set_window(1 << 20, 1 << 15)
        channel._set_remote_channel(0, 1 << 20, 1 << 15)
        channel.sendall(b"anything")
        channel._unlink = lambda: None  # it is in no transport's table
        channel.close()
        assert channel.recv(1) == b""
