"""The bed of the faults: three hosts of a sandbox, of which H2 is the one that things happen to."""

import os
from collections.abc import Iterator

import docker
import pytest

from deploy.sandbox import life
from deploy.values.events import Stream
from deploy.values.inventory import Host
from tests.support.rollouts import Releases
from tests.support.sandbox import KEEP, ROOT, RunningSandbox, bare_settings


@pytest.fixture(scope="session")
def running_sandbox(engine: docker.DockerClient) -> Iterator[RunningSandbox]:
    """A sandbox of three hosts for all tests of faults."""
    home = ROOT / ".jarship" / "faults"
    try:
        sandbox = life.up(bare_settings(sandbox_hosts=3), ROOT, stream=Stream(), home=home)
        running = RunningSandbox(client=engine, sandbox=sandbox)
        running.reset()
        yield running
    finally:
        if not os.environ.get(KEEP):
            life.down(ROOT, stream=Stream(), home=home)


@pytest.fixture
def served(releases: Releases) -> Releases:
    """A fleet that serves version 1."""
    releases.deploy(releases.build("1"))
    return releases


@pytest.fixture
def h2(releases: Releases) -> Host:
    """The host that things happen to."""
    return releases.hosts[1]
