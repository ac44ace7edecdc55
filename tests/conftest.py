"""What all tests have in common."""

from collections.abc import Iterator

import docker
import hypothesis
import pytest

from tests.support.docker import available
from tests.support.images import OURS, remove_images

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

pytest_plugins = [
    "tests.support.leak_guard",
    "tests.support.registry",
    "tests.support.secured",
    "tests.support.sandbox",
    "tests.support.applications",
    "tests.support.rollouts",
    "tests.support.expectations",
    "tests.support.matrix",
    "tests.support.balanced",
    "tests.support.rows",
    "tests.support.longest_first",
]


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """This machine's Docker Engine; not for unit tests, which are kept from it."""
    client = available()
    yield client
    remove_images(client, f"{OURS}/")
    client.close()
