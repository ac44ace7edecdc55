"""A real registry in a container of its own, for integration and end-to-end tests."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import bcrypt
import docker
import pytest
import requests

from deploy.preparing import alone
from deploy.sandbox import images
from deploy.setup.authority import Certificate
from deploy.values import labels
from deploy.values.events import Stream
from tests.support.images import remove_images
from tests.support.tars import tar_of

READY_SECONDS = 20.0
CONFIGURATION = "/etc/docker/registry"
STORAGE = "/var/lib/registry/docker/registry/v2"


@dataclass(frozen=True, kw_only=True)
class RunningRegistry:
    """A registry that runs until its fixture ends."""

    client: docker.DockerClient
    container: Any
    address: str
    scheme: str = "http"

    def wait(self) -> None:
        """Until it answers, whatever it answers."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                requests.get(f"{self.scheme}://{self.address}/v2/", timeout=2)
                return
            except requests.exceptions.SSLError:
                return  # a certificate of the tests' own, whom nobody trusts unasked
            except requests.RequestException:
                time.sleep(0.05)
        raise TimeoutError(f"the registry does not answer: {self.container.logs(tail=20).decode()}")

    def restart(self) -> None:
        """Restart it; it forgets what it cached."""
        self.container.restart(timeout=0)
        self.wait()

    def run(self, *command: str) -> str:
        """Run a command beside it."""
        code, output = self.container.exec_run(list(command))
        assert code == 0, output.decode()
        return str(output.decode())

    def blob_path(self, digest: str) -> str:
        """Where it stores a blob."""
        name = digest.removeprefix("sha256:")
        return f"{STORAGE}/blobs/sha256/{name[:2]}/{name}/data"

    def set_users(self, users: Mapping[str, str]) -> None:
        """Write the password file: user to password; a running registry reads it when it restarts."""
        lines = [
            f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
            for user, password in users.items()
        ]
        self.container.put_archive(CONFIGURATION, tar_of({"htpasswd": "".join(lines).encode()}))

    def remove(self) -> None:
        """Remove it with its storage, and this engine's names of images in it."""
        self.container.remove(force=True, v=True)
        remove_images(self.client, f"{self.address}/")


StartRegistry = Callable[..., RunningRegistry]


def start_registry(
    client: docker.DockerClient,
    *,
    users: Mapping[str, str] | None = None,
    certificate: Certificate | None = None,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> RunningRegistry:
    """Start a registry on a free port of 127.0.0.1.

    Args:
        users: user to password; anonymous access otherwise.
        certificate: for TLS; plain HTTP otherwise.
        environment: `REGISTRY_…` overrides of its configuration.
        options: further ones of `containers.create`.
    """
    hub = images.hub_answers(client)
    with alone():
        image = images.ensure(client, ["registry"], hub=hub, stream=Stream(), setup="auto")["registry"]
    auth = {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "tests",
        "REGISTRY_AUTH_HTPASSWD_PATH": f"{CONFIGURATION}/htpasswd",
    }
    tls = {
        "REGISTRY_HTTP_TLS_CERTIFICATE": f"{CONFIGURATION}/tls.crt",
        "REGISTRY_HTTP_TLS_KEY": f"{CONFIGURATION}/tls.key",
    }
    port = _free_port()
    container = client.containers.create(
        image,
        environment={
            "REGISTRY_STORAGE_DELETE_ENABLED": "true",
            **(auth if users else {}),
            **(tls if certificate else {}),
            **(environment or {}),
        },
        labels={labels.SANDBOX: "test"},
        # A port that stays over a restart, unlike one that the engine chooses.
        ports={"5000/tcp": ("127.0.0.1", port)},
        **options,
    )
    running = RunningRegistry(
        client=client,
        container=container,
        address=f"127.0.0.1:{port}",
        scheme="https" if certificate else "http",
    )
    try:
        if certificate:
            files = {"tls.crt": certificate.chain.encode(), "tls.key": certificate.key.encode()}
            container.put_archive(CONFIGURATION, tar_of(files))
        if users:
            running.set_users(users)
        container.start()
        running.wait()
    except BaseException:
        running.remove()
        raise
    return running


@pytest.fixture(scope="session")
def registry(engine: docker.DockerClient) -> Iterator[RunningRegistry]:
    """A registry without users, for tests that leave it as it is; each takes repositories of its own."""
    running = start_registry(engine)
    yield running
    running.remove()


@pytest.fixture
def registries(engine: docker.DockerClient) -> Iterator[StartRegistry]:
    """Starts registries that a test may do with as it likes."""
    started: list[RunningRegistry] = []

    def start(**options: Any) -> RunningRegistry:
        started.append(start_registry(engine, **options))
        return started[-1]

    yield start
    for running in started:
        running.remove()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
