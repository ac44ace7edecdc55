"""A paramiko channel in the shape that http.client wants of a socket."""

import contextlib
import io
from collections.abc import Callable
from typing import Any

import paramiko

BUFFER = 65536
EXIT_WAIT = 5.0
"""Seconds that a command has to exit after its output ended."""

Explain = Callable[[int, str], Exception]
"""From a command's exit code and stderr to the error that says why it gave nothing."""


class ChannelSocket:
    """A channel as a socket: a forwarded connection, or a command's stdin and stdout.

    Args:
        channel: an open one.
        explain: for a command; asked when it ends before it has given a byte.
        ended: told, at least once, when the channel is closed by this side.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        explain: Explain | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self.channel = channel
        self._explain = explain
        self._ended = ended
        self._readers = 0
        self._closed = False
        self._spoke = False
        self.cut = False
        """Whether this side has ended it while somebody read."""

    def usable(self) -> bool:
        """Whether another request may be sent: open, and nothing unasked came in."""
        return not (self.channel.closed or self.channel.eof_received or self.channel.recv_ready())

    def makefile(self, mode: str, *_: Any) -> io.BufferedReader:
        """A reader of its own for each response, as a socket gives."""
        if mode != "rb":
            raise ValueError(mode)
        self._readers += 1
        return io.BufferedReader(_Raw(self), BUFFER)

    def sendall(self, data: bytes) -> None:
        """Send; a command that has gone is a broken pipe, upon which the client still reads the answer."""
        try:
            self.channel.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise BrokenPipeError(str(error)) from error

    def read_into(self, buffer: memoryview) -> int:
        """Read what is there; 0 at the end."""
        data = self.channel.recv(len(buffer))
        if data:
            self._spoke = True
        elif self._explain is not None and not self._spoke:
            raise self._explain(*self._last_words())
        buffer[: len(data)] = data
        return len(data)

    def settimeout(self, seconds: float | None) -> None:
        """Bound each read and write."""
        self.channel.settimeout(seconds)

    def gettimeout(self) -> float | None:
        """Seconds, or None without a bound."""
        return self.channel.gettimeout()

    def shutdown(self, _how: int) -> None:
        """Close the channel, whoever still reads."""
        self.cut = True
        self.channel.close()
        self._ended()

    def close(self) -> None:
        """Close the channel once its last reader is closed, as the system does with a socket."""
        self._closed = True
        self._close_if_unused()

    def reader_closed(self) -> None:
        """Count a reader less."""
        self._readers -= 1
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._closed and self._readers <= 0:
            self.channel.close()
            self._ended()

    def _last_words(self) -> tuple[int, str]:
        self.channel.settimeout(EXIT_WAIT)
        parts: list[bytes] = []
        with contextlib.suppress(TimeoutError):
            while part := self.channel.recv_stderr(BUFFER):
                parts.append(part)
        self.channel.status_event.wait(EXIT_WAIT)
        return self.channel.exit_status, b"".join(parts).decode(errors="replace").strip()


class _Raw(io.RawIOBase):
    def __init__(self, socket: ChannelSocket) -> None:
        self.sock = socket  # The SDK looks for this name to end a stream.

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self.sock.read_into(memoryview(buffer))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.sock.reader_closed()
