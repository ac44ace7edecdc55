"""What must hold after every fault, whatever it was (D0 in the table of faults).

The old release serves; the failure has its exit code and names host, step, cause and what to do next; the
lock is free; no container and no file is left over; the next deploy works without anybody's help.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker
import pytest

from deploy.values.build import Build
from deploy.values.errors import Failure, exit_code
from deploy.values.inventory import Host
from tests.support.rollouts import SECRET, Releases
from tests.support.sandbox import RunningSandbox
from tests.support.state import HostState, answers, one_release_serves, states_of

SETTLE = 60.0
"""Seconds for hosts to be as before, where something on them has to come up first."""
TURNS = ("even", "odd")
"""Versions of which the next deploy takes the one that does not serve."""


def deploy_fails(
    releases: Releases,
    build: Build | None = None,
    *,
    code: int,
    cause: str,
    host: str = "",
    step: str = "",
    **options: Any,
) -> Failure:
    """Deploy, and see it fail as it must.

    Args:
        releases: where to.
        build: what; one named `bad` when left out.
        code: the exit code that it ends in.
        cause: a pattern for what is said of the cause.
        host: the host that is named; empty when it is no host's failure.
        step: the step that is named; empty where that is not of interest.
        options: of `Releases.deploy`.
    """
    wanted = build or releases.build("bad")
    with pytest.raises(Failure) as raised:
        releases.deploy(wanted, **options)
    failure = raised.value
    said = "\n".join([failure.what, failure.why, failure.advice, *failure.details])
    assert exit_code(failure) == code, said
    assert re.search(cause, said), said
    assert failure.host == host, f"names {failure.host!r}, not {host!r}: {said}"
    assert not step or failure.step == step, f"names step {failure.step!r}: {said}"
    assert failure.advice, f"does not say what to do next: {said}"
    assert SECRET not in said
    return failure


def all_as_before(
    releases: Releases,
    before: Mapping[str, HostState],
    *,
    hosts: Sequence[Host] = (),
    settle: float = 0.0,
    deploy: Callable[[Build], object] | None = None,
) -> None:
    """See that nothing has changed, and that the next deploy works.

    Args:
        releases: where.
        before: how the hosts looked.
        hosts: those to look at; all when empty.
        settle: seconds for it to come true.
        deploy: the next deploy, where it is not as usual.
    """
    chosen = tuple(hosts) or releases.hosts
    deadline = time.monotonic() + settle
    while (now := states_of(releases, chosen)) != before and time.monotonic() < deadline:
        time.sleep(0.5)
    assert now == before
    next_deploy_works(releases, hosts=chosen, deploy=deploy)


def next_deploy_works(
    releases: Releases, *, hosts: Sequence[Host] = (), deploy: Callable[[Build], object] | None = None
) -> None:
    """Deploy another version: it serves, alone, on every host."""
    chosen = tuple(hosts) or releases.hosts
    version = another(releases, chosen)
    build = releases.build(version)
    if deploy:
        deploy(build)
    else:
        releases.deploy(build, only=tuple(hosts))
    one_release_serves(releases, chosen, version)


def another(releases: Releases, hosts: Sequence[Host]) -> str:
    """A version that none of the hosts serves."""
    serving = {answers(releases, host) for host in hosts}
    return next((version for version in TURNS if version not in serving), "neither")


@pytest.fixture(scope="module")
def left_as_new(running_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """The tests' sandbox; its hosts are as new when the tests of the module are through."""
    yield running_sandbox
    if not running_sandbox.as_new:
        running_sandbox.reset()


@pytest.fixture
def served(left_as_new: RunningSandbox, engine: docker.DockerClient, tmp_path: Path) -> Releases:
    """The tests' sandbox, one release serving on every host; set up anew where a test left it ill."""
    running_sandbox = left_as_new
    releases = Releases(sandbox=running_sandbox, engine=engine, root=tmp_path)
    try:
        one_release_serves(releases, releases.hosts, releases.version(releases.hosts[0]))
    except (AssertionError, OSError):
        running_sandbox.reset()
        releases.deploy(releases.build(TURNS[0]))
    running_sandbox.as_new = False
    return releases
