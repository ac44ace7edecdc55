"""A client that never forgives: it counts every request that users would have lost, and how long each took.

An open loop: each request has its moment, whether the ones before are answered or not. Half of them go over
kept connections, a fifth are POST with a body. There are no retries. It runs as a process of its own, so that
it neither disturbs what deploys nor is disturbed:

    python -m tests.support.prober URL...

The loop ends when its standard input does, or at `--seconds` or `--count`; it sends to this machine only.
"""

import argparse
import asyncio
import ipaddress
import socket
import struct
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 5.0
"""Seconds after which a request counts as failed."""
BODY = b"x" * 2000
LONGEST = 1200.0
"""Seconds, whatever was asked for."""
MOST = 300_000
"""Requests, whatever was asked for."""
CLIENTS = 20
"""Connections that are kept open to each target, and used in turn."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where requests go."""

    address: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Target":
        """Read `http://127.0.0.1:PORT`.

        Raises:
            ValueError: it is not an address of this machine.
        """
        parts = urlsplit(url)
        if not parts.port or not ipaddress.ip_address(parts.hostname or "").is_loopback:
            raise ValueError(f"{url}: only ports of 127.0.0.1 are probed")
        return cls(address=parts.hostname or "", port=parts.port)


class Lost(Exception):
    """A request was not answered as it should."""


@dataclass
class Kept:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def usable(self) -> bool:
        """Whether the other side has not closed it, as far as this one knows."""
        return not self.reader.at_eof() and not self.writer.is_closing() and not self.reader.exception()


@dataclass
class Prober:
    """The loop and what came of each request."""

    targets: tuple[Target, ...]
    out: list[str] = field(default_factory=list)
    """A line for each request: when it was due, seconds it took, target, kind, version or why it was lost."""
    idle: dict[int, deque[Kept]] = field(default_factory=dict)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, *, rate: float, count: int, seconds: float, stop: asyncio.Event) -> None:
        """Send until the time, the count or the wish to stop ends it; then await what is under way."""
        begun = time.time()
        for number in range(min(count, MOST)):
            due = begun + number / rate
            while (left := due - time.time()) > 0:
                await asyncio.sleep(left)
            if stop.is_set() or due - begun >= min(seconds, LONGEST):
                break
            task = asyncio.create_task(self._request(number, due))
            self.running.add(task)
            task.add_done_callback(self.running.discard)
        if self.running:
            await asyncio.wait(self.running, timeout=TIMEOUT + 1)

    async def _request(self, number: int, due: float) -> None:
        where = number % len(self.targets)
        turn = number // len(self.targets)
        kept, post = turn % 2 == 0, turn % 5 == 0
        kind = f"{'kept' if kept else 'new'}-{'POST' if post else 'GET'}"
        try:
            async with asyncio.timeout(TIMEOUT):
                came = await self._ask(where, kept=kept, post=post)
        except TimeoutError:
            came = f"lost: no answer within {TIMEOUT:g} s"
        except (OSError, Lost, asyncio.IncompleteReadError) as error:
            came = f"lost: {type(error).__name__}: {error}"
        self.out.append(f"{due:.4f}\t{time.time() - due:.4f}\t{where}\t{kind}\t{came}")

    async def _ask(self, where: int, *, kept: bool, post: bool) -> str:
        connection = (self._take(where) if kept else None) or await self._open(where)
        clean = False
        try:
            connection.writer.write(_text(kept=kept, post=post))
            version, stays = await _answer(connection.reader)
            clean = stays and kept
            return version
        finally:
            if clean:
                self.idle.setdefault(where, deque()).append(connection)
            else:
                connection.writer.close()

    def _take(self, where: int) -> Kept | None:
        """The connection that has been idle longest; those that the other side has closed are dropped."""
        waiting = self.idle.setdefault(where, deque())
        for connection in [each for each in waiting if not each.usable]:
            waiting.remove(connection)
            connection.writer.close()
        return waiting.popleft() if len(waiting) >= CLIENTS else None

    async def _open(self, where: int) -> Kept:
        target = self.targets[where]
        reader, writer = await asyncio.open_connection(target.address, target.port)
        handle = writer.get_extra_info("socket")
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Closed with a reset: ten thousand connections in TIME_WAIT would run out of ports.
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return Kept(reader, writer)


def _text(*, kept: bool, post: bool) -> bytes:
    method = "POST" if post else "GET"
    head = f"{method} / HTTP/1.1\r\nHost: prober\r\nConnection: {'keep-alive' if kept else 'close'}\r\n"
    length = f"Content-Length: {len(BODY)}\r\n" if post else ""
    return f"{head}{length}\r\n".encode() + (BODY if post else b"")


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """The version that answered, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode("latin-1")
    status = first.split()[1]
    if not status.startswith("2"):
        raise Lost(first)
    version = next((word[8:] for word in body.split() if word.startswith("version=")), body[:40].strip())
    return version, headers.get("connection", "").lower() != "close"


async def _main(arguments: argparse.Namespace) -> None:
    prober = Prober(targets=tuple(Target.of(url) for url in arguments.url))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, daemon=True).start()
    await prober.run(rate=arguments.rate, count=arguments.count, seconds=arguments.seconds, stop=stop)
    Path(arguments.out).write_text("\n".join(prober.out) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url", nargs="+")
    parser.add_argument("--rate", type=float, default=200, help="requests a second, over all URLs together")
    parser.add_argument("--count", type=int, default=MOST)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--out", required=True, help="file for a line a request")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_main(_arguments()))
