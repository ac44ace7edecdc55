"""The first command on a machine that nothing was done to: `nox -s fresh`.

Its last output tells how long the first and the second deploy took, and what the two addresses answered.
"""

import re
import sys
import time

from deploy import engine
from deploy.setup.machine import ensure_engine
from deploy.values.events import Event, Stream
from tests.fresh.machine import Machine, bare_machine

COMMAND = "./invokew deploy --profile=dev"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
LEFT = "docker ps -aq; docker volume ls -q; docker network ls -q --filter type=custom"
AIMS = {"first": 300, "second": 10}
"""Seconds, on a machine that has nothing else to do."""


def deploy(machine: Machine, which: str) -> tuple[float, list[str]]:
    """Run the command; its duration and the addresses that it printed."""
    print(f"$ {COMMAND}", file=sys.stderr)
    begun = time.monotonic()
    code, out = machine.run(COMMAND, workdir="/project")
    seconds = time.monotonic() - begun
    if code:
        sys.exit(f"The {which} {COMMAND} ended with exit code {code}.")
    addresses = ADDRESS.findall(out)
    if len(set(addresses)) != 2:
        sys.exit(f"It printed {addresses}, not two addresses.")
    return seconds, addresses


def main() -> None:
    """Prove it, or end with a message."""
    stream = Stream(_tell)
    ensure_engine(stream, "auto")
    client = engine.local(stream)
    with bare_machine(client, stream) as machine:
        first, addresses = deploy(machine, "first")
        second, again = deploy(machine, "second")
        if again != addresses:
            sys.exit(f"The second one printed other addresses: {again}.")
        print(
            f"first deploy {first:.0f} s (aim: below {AIMS['first']}), "
            f"second {second:.1f} s (aim: below {AIMS['second']})"
        )
        for address in addresses:
            page = machine.must(f"curl -fsS {address}/")
            print(f"curl {address}/", *page.strip().splitlines(), sep="\n  ")
        machine.must("./invokew sandbox.down", workdir="/project")
        left = machine.must(LEFT).split()
        if left:
            sys.exit(f"`sandbox.down` left {', '.join(left)}.")


def _tell(event: Event) -> None:
    if event.kind != "output":
        print(f"{event.kind}: {event.text}", file=sys.stderr)


if __name__ == "__main__":
    main()
