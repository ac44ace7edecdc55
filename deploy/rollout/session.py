"""What leads to a host for as long as a rollout lasts; where it is cut, another takes its place."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass

from docker import DockerClient

from deploy.gateway import Gateway, open_gateway
from deploy.hosts.connection import Connection
from deploy.hosts.engine import through
from deploy.hosts.lock import Lock, Owner
from deploy.values.errors import Failure, HostError


@dataclass(kw_only=True)
class Session:
    """A connection to a host, the lock that is held through it, and the engine behind it.

    A reboot takes all three. Whoever holds the session meets the new ones once it was opened again.
    """

    connection: Connection
    client: DockerClient
    lock: Lock | None = None
    """None where nothing will be changed."""
    owner: Owner | None = None
    """In whose name it is locked."""
    connect: Callable[[], Connection]
    """Connects once more."""
    take: Callable[[Connection], Lock]
    """Takes the lock once more."""
    stack: ExitStack
    """Where what was opened again is given back at the end."""
    gateway: Gateway | None = None
    """The registry, where the host reaches it through this connection."""

    def is_held(self) -> bool:
        """Whether the connection is up and the lock is ours, as far as this side can tell."""
        if self.lock is None or not self.connection.alive():
            return False
        try:
            self.lock.check()
        except Failure:
            return False
        return True

    def reopen(self) -> None:
        """Connect and lock anew; what was there before is closed.

        Raises:
            HostError: the host cannot be reached.
            LockedError: the lock is held, by somebody else or by what is left of ours.
        """
        self.connection.close()
        with ExitStack() as opened:
            connection = opened.enter_context(self.connect())
            lock = opened.enter_context(self.take(connection))
            self.stack.push(opened.pop_all())
        self.connection, self.lock = connection, lock
        if self.gateway:
            with suppress(HostError):  # a host that goes back to what it has pulls nothing
                self.open_gateway(self.gateway)

    def open_gateway(self, gateway: Gateway) -> None:
        """Have the host find the registry on its loopback, until the session ends.

        Raises:
            HostError: the port is taken there, or the SSH server forbids it.
        """
        self.stack.enter_context(open_gateway(self.connection, gateway))
        self.gateway = gateway

    def reach_engine(self) -> None:
        """Ask the engine anew, through the connection as it is now.

        Raises:
            HostError: it does not answer.
        """
        closer: AbstractContextManager[DockerClient] = closing(through(self.connection))
        self.client.close()
        self.client = self.stack.enter_context(closer)
