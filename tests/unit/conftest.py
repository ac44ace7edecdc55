"""Unit tests reach neither the network nor a Docker Engine: what tries to is an error."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LOCAL = {"localhost", "127.0.0.1", "::1", "", "0.0.0.0", "::", None}
ENGINES = ("/var/run/docker", "/run/docker", "/run/user/", str(Path.home() / ".docker"))
"""Where sockets of engines are; tests make their own elsewhere."""

NOWHERE = "unix:///nonexistent/docker.sock"


class OutsideError(RuntimeError):
    """A unit test tried to leave the machine, or to reach an engine."""


class _Guard:
    """Looks at every connection of this process, also those of libraries written in C."""

    def __init__(self) -> None:
        self.on = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on:
            return
        if event == "socket.getaddrinfo":
            self._allow(arguments[0])
        elif event in ("socket.connect", "socket.sendto", "socket.bind"):
            address = arguments[1]
            if isinstance(address, tuple):
                self._allow(address[0])
            elif str(address).startswith(ENGINES):
                raise OutsideError(f"a unit test reached for the engine at {address!r}")

    @staticmethod
    def _allow(host: object) -> None:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in LOCAL:
            raise OutsideError(f"a unit test reached for {name!r}")


_GUARD = _Guard()
sys.addaudithook(_GUARD)  # for the life of the process: it cannot be taken off, only told to look away


@pytest.fixture(autouse=True)
def _stay_inside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process by the guard; what it starts, by an engine's address where nothing is.

    Settings of the environment are for releases, such as the Jenkins job that runs these tests first.
    """
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    settings = [name for name in os.environ if name.startswith("JARSHIP_")]
    for name in ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", *settings):
        monkeypatch.delenv(name, raising=False)
    _GUARD.on = True
    yield
    _GUARD.on = False
