"""Free ports of this machine for a sandbox, chosen once and remembered."""

import socket
import zlib
from collections.abc import Callable, Iterable, Iterator

RANGE = range(20000, 30000)
"""Below the ports that Linux gives to outgoing connections (from 32768)."""


def is_free(port: int) -> bool:
    """Whether nobody listens there now."""
    with socket.socket() as probe:
        # Without this a connection that ended a moment ago would count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(seed: str, taken: Iterable[int], is_free: Callable[[int], bool] = is_free) -> Iterator[int]:
    """Free ports, one after another, from a place in RANGE that the seed chooses: sandboxes seldom meet.

    Args:
        seed: the sandbox's id.
        taken: ports that are promised already.
        is_free: tells whether nobody listens on a port.
    """
    start = zlib.crc32(seed.encode()) % len(RANGE)
    avoided = frozenset(taken)
    for offset in range(len(RANGE)):
        port = RANGE[(start + offset) % len(RANGE)]
        if port not in avoided and is_free(port):
            yield port
