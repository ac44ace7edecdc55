"""A task as `invoke` runs it, which stands still at one step until it is told to go on.

    python -m tests.support.hold_at FD KIND STEP HOST TASK [OPTIONS]...

At the first event of that kind and step, on that host (any, when it is empty), it writes a line to the socket
FD and waits for an answer there. What happens meanwhile, such as a signal, comes from outside.
"""

import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from deploy import command
from deploy.values.events import Event, Stream

ROOT = Path(__file__).parents[2]


def holder(at: socket.socket, kind: str, step: str, host: str) -> Callable[[Event], None]:
    """The listener that holds its thread, and with it the step that it announces, once."""
    once = threading.Event()

    def listener(event: Event) -> None:
        if (event.kind, event.step) != (kind, step) or event.host != (host or event.host) or once.is_set():
            return
        once.set()
        at.sendall(f"{event.kind} {event.step} {event.host}\n".encode())
        at.recv(16)

    return listener


def main() -> None:
    """Run a task."""
    descriptor, kind, step, host, *words = sys.argv[1:]
    listener = holder(socket.socket(fileno=int(descriptor)), kind, step, host)

    class Held(Stream):
        """The stream of a task, with one listener more."""

        def __init__(self, *listeners: Callable[[Event], None]) -> None:
            super().__init__(*listeners, listener)

    command.__dict__["Stream"] = Held  # this process's own
    from invoke.main import program

    program.run(["invoke", f"--search-root={ROOT}", *words])


if __name__ == "__main__":
    main()
