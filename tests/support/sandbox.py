"""A sandbox of the tests' own, and what tests do inside its hosts."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest

from deploy.hosts.connection import Connection, connect
from deploy.preparing import alone
from deploy.sandbox import life
from deploy.sandbox.value import Sandbox
from deploy.values.addresses import format_host
from deploy.values.build import Build
from deploy.values.events import Stream
from deploy.values.inventory import Access, Host
from deploy.values.settings import Settings

ROOT = Path(__file__).parents[2]
KEEP = "KEEP_SANDBOX"
"""Environment variable: with any value the tests' sandbox stays, for the next run to take up."""

# A host as it was when it was new, but for the images that its engine has.
RESET = """
rm -rf /run/hold/* /tmp/jarship-* /dev/shm/jarship-* /home/deploy/.jarship
iptables -D INPUT -p tcp --dport 22 -j DROP 2> /dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do docker version > /dev/null 2>&1 && break; sleep 1; done
docker ps -aq | xargs -r docker rm -f -v
docker network prune -f
docker volume prune -af
"""


@dataclass(kw_only=True)
class RunningSandbox:
    """The tests' sandbox, up."""

    client: docker.DockerClient
    """This machine's engine, whose containers the hosts are."""
    sandbox: Sandbox
    builds: dict[tuple[object, ...], Build] = field(default_factory=dict)
    """What its registry has of the tests' application, by what was asked for."""
    as_new: bool = False
    """Whether its hosts are as a reset leaves them."""

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Its hosts."""
        return self.sandbox.hosts

    @property
    def access(self) -> Access:
        """How SSH gets in."""
        return Access(key=str(self.sandbox.key), known_hosts=str(self.sandbox.known_hosts))

    def connect(self, host: Host) -> Connection:
        """Open a connection to a host, as a rollout does."""
        return connect(host, self.access)

    def run(self, host: Host | str, script: str, *, user: str = "root", check: bool = True) -> str:
        """Run a script inside a host (or in `registry`), not by SSH.

        Returns:
            What it printed.
        """
        name = host if isinstance(host, str) else host.name
        container = self.client.containers.get(self.sandbox.container(name))
        code, output = container.exec_run(["sh", "-c", script], user=user)
        text = bytes(output).decode(errors="replace") if isinstance(output, bytes) else ""
        assert code == 0 or not check, f"{name}: {script!r} ended with exit code {code}: {text}"
        return text

    def restart(self, host: Host, *, timeout: int = 0) -> None:
        """Cut a host's power and switch it on again; a timeout lets it shut down first."""
        self.client.containers.get(self.sandbox.container(host.name)).restart(timeout=timeout)

    def reset(self) -> None:
        """Make every host as it was when it was new, but for the images that its engine has."""
        with ThreadPoolExecutor(max_workers=len(self.hosts)) as pool:
            list(pool.map(self._reset, self.hosts))
        self.as_new = True

    def _reset(self, host: Host) -> None:
        container = self.client.containers.get(self.sandbox.container(host.name))
        if container.status == "paused":
            container.unpause()
        elif container.status != "running":
            container.start()
        self.run(host, RESET)

    def hosts_setting(self, hosts: tuple[Host, ...]) -> str:
        """HOSTS as a process reads it."""
        return ",".join(format_host(host) for host in hosts)

    def environment(self) -> dict[str, str]:
        """The settings that name these hosts and this registry as somebody's own, by their keys."""
        return {
            "REGISTRY": self.sandbox.registry,
            "REGISTRY_FOR_HOSTS": "registry:5000",
            "HOSTS": self.hosts_setting(self.hosts),
            "SSH_KEY": str(self.sandbox.key),
            "SSH_KNOWN_HOSTS": str(self.sandbox.known_hosts),
            **({"BASE_IMAGE": self.sandbox.base_image} if self.sandbox.base_image else {}),
            **({"PROXY_IMAGE": self.sandbox.proxy_image} if self.sandbox.proxy_image else {}),
        }


def bare_settings(**given: object) -> Settings:
    """Settings that deploy to a sandbox and name no application of their own."""
    known: dict[str, object] = {"registry": "sandbox", "hosts": (), "hosts_sandbox": True}
    return Settings.model_validate({"profile": "dev", "app_name": "hello", **known, **given})


def home_of_tests() -> Path:
    """Where this process keeps its sandbox's state."""
    return ROOT / ".jarship" / f"e2e-{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}"


@pytest.fixture(scope="session")
def running_sandbox(engine: docker.DockerClient) -> Iterator[RunningSandbox]:
    """A sandbox of two hosts for all end-to-end tests of a process; its images stay for the next run."""
    home = home_of_tests()
    try:
        with alone():
            sandbox = life.up(bare_settings(sandbox_hosts=2), ROOT, stream=Stream(), home=home)
        running = RunningSandbox(client=engine, sandbox=sandbox)
        running.reset()
        yield running
    finally:
        if not os.environ.get(KEEP):
            life.down(ROOT, stream=Stream(), home=home)


@pytest.fixture
def sandbox(running_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """The tests' sandbox, its hosts as they were when they were new, but for the images that they have."""
    if not running_sandbox.as_new:
        running_sandbox.reset()
    running_sandbox.as_new = False
    yield running_sandbox
    running_sandbox.reset()
