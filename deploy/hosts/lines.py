"""Lines over a channel, with an end to every wait."""

import contextlib
import time

import paramiko

LONGEST = 1 << 16
"""Bytes; a longer line means that the other side is not what it should be."""


class Lines:
    """A channel's stdin and stdout, line by line, in ASCII."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._buffer = b""

    def write(self, line: str) -> None:
        """Send a line; OSError when the channel is gone."""
        self._channel.sendall(line.encode("ascii") + b"\n")

    def read(self, deadline: float) -> str:
        """The next line, without its end.

        Args:
            deadline: by time.monotonic.

        Raises:
            TimeoutError: it did not come in time; what has come of it is kept.
            EOFError: the other side has ended.
        """
        while b"\n" not in self._buffer:
            self._channel.settimeout(max(0.01, deadline - time.monotonic()))
            part = self._channel.recv(4096)
            if not part or len(self._buffer) > LONGEST:
                raise EOFError("no more lines")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("ascii", errors="replace")

    def errors(self) -> str:
        """What the other side has said on stderr until now."""
        self._channel.settimeout(1)
        with contextlib.suppress(OSError):
            return self._channel.recv_stderr(4096).decode(errors="replace").strip()
        return ""

    def close(self) -> None:
        """Close the channel; the process at its other end reads the end of its input."""
        self._channel.close()
