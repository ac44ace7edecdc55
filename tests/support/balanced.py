"""Two hosts of a sandbox with a third one before them that balances."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import docker
import pytest

from deploy.preparing import alone
from deploy.sandbox import life
from deploy.values.build import Build
from deploy.values.events import Stream
from deploy.values.inventory import Host
from deploy.values.result import Result
from tests.support.matrix import Steady
from tests.support.rollouts import APP, Releases
from tests.support.sandbox import ROOT, RunningSandbox, bare_settings, home_of_tests
from tests.support.state import HostState, answers, states_of

BALANCER = f"{APP}-balancer"


@dataclass(kw_only=True)
class Balanced:
    """A fleet behind a balancer."""

    releases: Releases
    hosts: tuple[Host, Host]
    """As balancers reach them, too."""
    balancer: Host

    @property
    def every(self) -> tuple[Host, ...]:
        """Hosts and balancer."""
        return (*self.hosts, self.balancer)

    def wish(self, **changes: Any) -> dict[str, Any]:
        """Settings with the balancer."""
        return {"only": self.hosts, "balancers": (self.balancer,), **changes}

    def deploy(self, build: Build, **changes: Any) -> Result:
        """Roll out behind the balancer."""
        return self.releases.deploy(build, **self.wish(**changes))

    def members(self) -> set[str]:
        """The hosts that the balancer's running workers say that they send to, by name."""
        script = f"docker exec {BALANCER} cat /etc/nginx/jarship/upstream.conf | head -1"
        said = self.releases.sandbox.run(self.balancer, script).split()[1:]
        by_member = {f"{host.reached_at}:8080": host.name for host in self.hosts}
        return {by_member.get(member, member) for member in said if member != "none"}

    def answers(self, times: int = 8) -> set[str]:
        """The versions that users get at the balancer."""
        return {answers(self.releases, self.balancer) for _ in range(times)}

    def reset(self) -> None:
        """Make every host as new."""
        self.releases.sandbox.reset()


@pytest.fixture(scope="module")
def three_hosts(running_sandbox: RunningSandbox, engine: docker.DockerClient) -> Iterator[RunningSandbox]:
    """The tests' sandbox with a third host, for the tests of a module."""
    home = home_of_tests()
    with alone():
        sandbox = life.up(bare_settings(sandbox_hosts=3), ROOT, stream=Stream(), home=home)
    grown = RunningSandbox(client=engine, sandbox=sandbox, builds=running_sandbox.builds)
    yield grown
    grown.reset()
    with alone():
        life.up(bare_settings(sandbox_hosts=2), ROOT, stream=Stream(), home=home)


@pytest.fixture(scope="module")
def balanced(three_hosts: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Balanced:
    """Two hosts with a third before them, nothing deployed yet."""
    root = tmp_path_factory.mktemp("balanced")
    releases = Releases(sandbox=three_hosts, engine=three_hosts.client, root=root)
    one, two, balancer = three_hosts.hosts
    return Balanced(
        releases=releases,
        hosts=(_reached(three_hosts, one), _reached(three_hosts, two)),
        balancer=balancer,
    )


@dataclass
class SteadyBehind(Steady):
    """A fleet behind a balancer, on which one release always serves."""

    fleet: Balanced = field(kw_only=True)

    def deploy(self, number: int, **settings: Any) -> None:
        """Roll one out, from this process."""
        self.fleet.deploy(self.build(number), **settings)
        self.serving = number

    def serves(self, number: int) -> None:
        """See that one release alone serves, on every host, and that users get it through the balancer."""
        super().serves(number)
        assert self.fleet.members() == {host.name for host in self.hosts}
        assert self.fleet.answers() == {self.version(number)}

    def states(self) -> dict[str, HostState]:
        """How hosts and balancer look; over two releases, a balancer answers now one, now the other."""
        states = states_of(self.releases, self.fleet.every)
        name = self.fleet.balancer.name
        return states | {name: replace(states[name], answers="+".join(sorted(self.fleet.answers())))}


@pytest.fixture(scope="module")
def steady_behind(balanced: Balanced) -> SteadyBehind:
    """Two hosts behind a balancer, and hooks for another one."""
    releases = balanced.releases
    for name in ("take-out", "put-back"):
        hook = releases.root / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\n")
        hook.chmod(0o755)
    settings = {"BALANCERS": releases.sandbox.hosts_setting((balanced.balancer,))}
    return SteadyBehind(releases=releases, hosts=balanced.hosts, settings=settings, fleet=balanced)


def _reached(sandbox: RunningSandbox, host: Host) -> Host:
    """A host with its address in the sandbox's network, where other hosts reach it."""
    container = sandbox.client.containers.get(sandbox.sandbox.container(host.name))
    [network] = container.attrs["NetworkSettings"]["Networks"].values()
    return replace(host, reached_at=network["IPAddress"])
