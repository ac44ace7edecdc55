"""Waiting until the parts of a sandbox answer."""

import http.client
import socket
import time
from collections.abc import Callable
from typing import Protocol

import docker
from docker.errors import APIError

from deploy.sandbox.containers import log_tail
from deploy.values.errors import BuildError

DEADLINE = 90.0
"""Seconds; a host takes two to four where nothing else runs."""
PAUSE = 0.1

Check = Callable[[], str]
"""Says what does not answer yet; empty when all does."""


class Clock(Protocol):
    """Time that passes; `time` is one."""

    def monotonic(self) -> float:
        """Seconds from some beginning."""

    def sleep(self, seconds: float, /) -> None:
        """Let time pass."""


def registry_check(port: int) -> Check:
    """Whether a registry answers on this machine's 127.0.0.1."""

    def check() -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/v2/")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"the registry does not answer ({error})"
        finally:
            connection.close()
        return "" if status == 200 else f"the registry answers {status}"

    return check


def host_check(client: docker.DockerClient, container: str, ssh_port: int) -> Check:
    """Whether a host's sshd answers on this machine's 127.0.0.1, and its engine inside."""

    def check() -> str:
        return _sshd(ssh_port) or _engine(client, container)

    return check


def wait(client: docker.DockerClient, container: str, check: Check, clock: Clock = time) -> None:
    """Wait until a container's check is content.

    Raises:
        BuildError: not before the deadline, or the container ended; with the last state and the log's end.
    """
    deadline = clock.monotonic() + DEADLINE
    while missing := check():
        state = client.api.inspect_container(container)["State"]
        ended = not state["Running"]
        if ended or clock.monotonic() > deadline:
            code = f"it ended with exit code {state['ExitCode']}" if ended else f"waited {DEADLINE:.0f} s"
            raise BuildError(
                f"The sandbox's container {container} does not come up: {code}.",
                why=missing,
                details=log_tail(client, container),
                advice="Try `invoke sandbox.down`, then again.",
            )
        clock.sleep(PAUSE)


def _sshd(port: int) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.settimeout(5)
            banner = connection.recv(64)
    except OSError as error:
        return f"sshd does not answer ({error})"
    return "" if banner.startswith(b"SSH-2.0-") else "sshd does not answer"


def _engine(client: docker.DockerClient, container: str) -> str:
    try:
        made = client.api.exec_create(container, ["docker", "version", "--format", "{{.Server.Version}}"])
        said = client.api.exec_start(made["Id"])
        code = client.api.exec_inspect(made["Id"])["ExitCode"]
    except APIError as error:
        return f"its engine cannot be asked ({error.explanation})"
    return "" if code == 0 else f"its engine does not answer ({said.decode(errors='replace').strip()})"
