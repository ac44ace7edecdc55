"""D0: what is expected of every fault, unless its row says otherwise."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from deploy.values.build import Build
from deploy.values.errors import Failure
from deploy.values.inventory import Host
from tests.support.rollouts import Releases
from tests.support.state import HostState, one_release_serves, states_of

BOTH = pytest.mark.parametrize("strategy", ["recreate", "start-first"])


def serves(releases: Releases, version: str) -> None:
    """One release serves on every host, and nothing of another one runs or is held."""
    one_release_serves(releases, releases.hosts, version)


def next_deploy_works(releases: Releases) -> None:
    """Without any work by hand."""
    releases.deploy(releases.build("next"))
    serves(releases, "next")


def fails(releases: Releases, build: Build | str, **settings: Any) -> Failure:
    """A deploy that fails; what it raised."""
    given = releases.build(build) if isinstance(build, str) else build
    with pytest.raises(Failure) as raised:
        releases.deploy(given, **settings)
    return raised.value


def told(error: Failure, exit_code: int, *, host: Host | None = None, step: str = "") -> str:
    """All that the user reads of a failure, which names host, step, cause and the next action."""
    said = "\n".join((error.what, error.why, error.advice, *error.details))
    assert error.exit_code == exit_code, said
    if host:
        assert host.name in (error.host, *said.split(), *said.replace(":", " ").split()), said
    if step:
        assert error.step == step, f"{error.step}: {said}"
    assert error.why or error.details, f"no cause: {said}"
    assert error.advice, f"no next action: {said}"
    return said


@contextmanager
def as_before(releases: Releases) -> Iterator[Mapping[str, HostState]]:
    """Whatever is done in the block, every host is afterwards as it was; then the next deploy works."""
    before = states_of(releases, releases.hosts)
    yield before
    after = states_of(releases, releases.hosts)
    assert after == before
    next_deploy_works(releases)
