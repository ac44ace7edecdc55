"""Reading what an attached command or an exec prints, from the response's own buffer.

The Docker SDK (7.2) polls the socket below that buffer, and loses what came in one packet with the headers.
"""

import struct
from collections.abc import Iterator
from typing import Any

import requests
from docker.utils.socket import consume_socket_output, demux_adaptor

Frame = tuple[Any, bytes]
"""The number of the stream, 1 for output and 2 for errors, and a piece of it."""


def buffer(response: requests.Response) -> Any:
    """The buffer that a response was read into and is still read from."""
    reply: Any = response.raw._fp
    return reply.fp


def frames(response: requests.Response, *, tty: bool) -> Iterator[Frame]:
    """What comes, piece by piece, to its end; as the Engine API's "attach" describes it."""
    source = buffer(response)
    while tty and (data := source.read1(65536)):
        yield 1, data
    while not tty and len(header := source.read(8)) == 8:
        number, size = struct.unpack(">BxxxL", header)
        yield number, source.read(size)


def output(found: Iterator[Frame], *, stream: bool, demux: bool) -> Any:
    """What the SDK's calls return of frames.

    Args:
        found: the frames.
        stream: piece by piece instead of as a whole.
        demux: output and errors apart, as a pair.
    """
    parts: Iterator[Any] = (demux_adaptor(*frame) if demux else frame[1] for frame in found)
    return parts if stream else consume_socket_output(parts, demux=demux)  # type: ignore[call-overload]
