"""What the checks need of this machine, brought while those run that need nothing.

`python -m deploy.preparing` brings an engine, a JDK and the sandbox's images, in the order in which the
checks come to need them. It saves time and decides nothing: what it could not bring, the checks bring or
miss themselves, and tell.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from deploy import engine
from deploy.output import terminal
from deploy.output.mask import Mask
from deploy.sandbox import images
from deploy.setup import machine
from deploy.setup.packages import Setup
from deploy.values.errors import Failure
from deploy.values.events import Stream

LOCK = Path(__file__).parents[1] / ".jarship" / "tests.lock"
PATIENCE = 60
"""Seconds for an interrupted preparation to end."""


@contextmanager
def alone() -> Iterator[None]:
    """Hold off this clone's other checks, which would install, start or build the same."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def preparing(root: Path) -> Iterator[None]:
    """Prepare in a process of its own, until it is through or the block ends."""
    argv = (sys.executable, "-m", "deploy.preparing")
    with subprocess.Popen(argv, cwd=root, stdin=subprocess.DEVNULL, process_group=0) as process:
        try:
            yield
        finally:
            if process.poll() is None:
                # SIGTERM: a package manager ends in order by it.
                process.terminate()
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()


def prepare(stream: Stream, setup: Setup) -> None:
    """Bring what is missing.

    Raises:
        Failure: something cannot be had here.
    """
    with alone():
        machine.ensure_engine(stream, setup)
    with closing(engine.local(stream)) as client:
        hub = images.hub_answers(client)
        with alone():
            images.ensure(client, ["registry"], hub=hub, stream=stream, setup=setup)
        with alone():
            machine.ensure_jdk(stream, setup)
        wanted: list[images.Name] = ["host"] if hub else ["host", "java", "proxy"]
        images.ensure(client, wanted, hub=hub, stream=stream, setup=setup)


def main() -> int:
    """Prepare, and tell on stderr; 1 when something could not be brought."""
    setup: Setup = "never" if os.environ.get("JARSHIP_SETUP") == "never" else "auto"
    stream = Stream(terminal.Plain(sys.stderr, Mask()))
    try:
        prepare(stream, setup)
    except Failure as failure:
        stream.note(f"Not prepared: {failure.what} {failure.why}".rstrip(), step="prepare")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
