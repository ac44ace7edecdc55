"""What the shell pipeline leaves on a host: its own `docker run`, with the tiny application in it."""

import time
from dataclasses import dataclass
from typing import Any

from deploy.values.inventory import Host
from tests.support.rollouts import APP, Releases
from tests.support.state import answers

LOGS = "/srv/applicationlog"


@dataclass(frozen=True, kw_only=True)
class Stands:
    """How a container stands; two are equal when nothing of it has changed."""

    id: str
    name: str
    policy: str
    retries: int
    running: bool


def run_by_hand(
    releases: Releases, host: Host, version: str, *options: str, name: str = APP, answered: bool = True
) -> Stands:
    """The pipeline's steps on a host: remove, pull, run."""
    pushed = releases.build(version).pushed
    assert pushed is not None
    image = f"registry:5000/{pushed.repository}:{pushed.tag}"
    words = " ".join(options)
    releases.sandbox.run(
        host,
        f"docker rm -f {name} >/dev/null 2>&1; docker pull -q {image} && install -d -o 10001 {LOGS} && "
        f"docker run -d -p 8080:8080 -m 64m --cpus=0.5 -v {LOGS}:/momo -e PROFILE=dev {words} "
        f"--name {name} {image}",
    )
    deadline = time.monotonic() + 10
    while answered and answers(releases, host) != version:
        assert time.monotonic() < deadline, "what was run by hand does not answer"
        time.sleep(0.05)
    return stands(releases, host, name)


def stands(releases: Releases, host: Host, name: str) -> Stands:
    """How a container stands now."""
    return how_it_stands(releases.containers(host)[name])


def how_it_stands(seen: dict[str, Any]) -> Stands:
    """The same of its inspection."""
    policy = seen["HostConfig"]["RestartPolicy"]
    return Stands(
        id=seen["Id"],
        name=seen["Name"].lstrip("/"),
        policy=policy["Name"],
        retries=policy["MaximumRetryCount"],
        running=seen["State"]["Running"],
    )
