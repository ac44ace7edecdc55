"""A host as a rollout reaches it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker import DockerClient

from deploy.hosts.connection import Connection, Result
from deploy.rollout.session import Session
from deploy.values.errors import Failure
from deploy.values.events import Stream
from deploy.values.inventory import Host


class Cancelled(Failure):
    """Another host failed or the user interrupted: this host stops where it is."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One host with what reaches it: its connection, its engine, its lock.

    `cancel` is set once for the whole fleet when a rollout must stop; waits end early by it.
    """

    host: Host
    session: Session
    stream: Stream
    registry_auth: Mapping[str, str] | None = field(default=None, repr=False)
    """Travels with each pull, as the Docker SDK's `auth_config`; rests nowhere."""
    cancel: threading.Event = field(default_factory=threading.Event)
    balancers: tuple["Site", ...] = ()
    """Those over the hosts."""
    ask: "Callable[[str, Site], object] | None" = None
    """Runs one of the team's hooks for a host: its name, and the host."""

    @property
    def connection(self) -> Connection:
        """The SSH connection."""
        return self.session.connection

    @property
    def client(self) -> DockerClient:
        """The Docker client of its engine."""
        return self.session.client

    @property
    def api(self) -> Any:
        """The Engine API: the SDK's low-level client, whose published types leave out half of it."""
        return self.client.api

    def run(self, script: str, *, args: Sequence[str] = (), stdin: str = "") -> Result:
        """Run a bash script on the host, in place of one of the engine's channels: there are three in all."""
        with self.api.aside():
            return self.connection.run(script, args=args, stdin=stdin)

    def check_lock(self) -> None:
        """Make sure that changing something is still ours alone to do.

        Raises:
            LockLost: it is not known to be.
        """
        if self.session.lock is None:
            raise AssertionError(f"{self.host.name} was reached for reading only")
        self.session.lock.check()

    def pause(self, seconds: float) -> None:
        """Wait, or stop waiting at once when the rollout is cancelled.

        Raises:
            Cancelled: the rollout stops.
        """
        if self.cancel.wait(seconds):
            raise Cancelled("Stopped, because the rollout stops.", host=self.host.name)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where a rollout leaves files on this machine, and how it hides secrets in them."""

    root: Path
    mask: Callable[[str], str]
