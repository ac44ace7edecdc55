"""Faults are tried on hosts that serve a release; setting these up anew is saved where all is well."""

from pathlib import Path

import docker
import pytest

from tests.support.expectations import TURNS
from tests.support.rollouts import Releases
from tests.support.sandbox import RunningSandbox
from tests.support.state import one_release_serves


@pytest.fixture
def served(running_sandbox: RunningSandbox, engine: docker.DockerClient, tmp_path: Path) -> Releases:
    """The tests' sandbox, one release serving on every host."""
    releases = Releases(sandbox=running_sandbox, engine=engine, root=tmp_path)
    try:
        one_release_serves(releases, releases.hosts, releases.version(releases.hosts[0]))
    except (AssertionError, OSError):
        running_sandbox.reset()
        releases.deploy(releases.build(TURNS[0]))
    return releases
