"""Balancers over the application's hosts: what is known of them, and the steps at them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from deploy.values.inventory import Host
from deploy.values.release import HealthCheck
from deploy.values.steps import Step

NOBODY = "none"
"""What a balancer without members says that it sends to."""


def balancer_name(app: str) -> str:
    """The name of the container that balances."""
    return f"{app}-balancer"


def replaced_balancer_name(app: str) -> str:
    """What a balancer is called between being replaced and the commit."""
    return f"{balancer_name(app)}-replaced"


def member_of(host: Host, port: int) -> str:
    """Where balancers reach a host's APP_PORT, as `address:port`."""
    address = host.reached_at or host.address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@dataclass(frozen=True, kw_only=True)
class Balancer:
    """A balancer as it was found."""

    host: str
    """The name of its host."""
    container: str = ""
    """Empty when there is none."""
    made_from: str = ""
    running: bool = False
    members: tuple[str, ...] = ()
    """Where it sends, in no order that matters."""
    leftovers: tuple[tuple[str, str], ...] = ()
    """Id and name of what a killed rollout left beside it."""


@dataclass(frozen=True, kw_only=True)
class Balancing:
    """What stands before the hosts that take part in a rollout."""

    balancers: tuple[Balancer, ...] = ()
    members: Mapping[str, str] = field(default_factory=dict)
    """Of each host that takes part, where balancers reach it."""
    asks_out: bool = False
    """Whether the team has a hook `take-out`, for a balancer of its own."""
    asks_back: bool = False
    """Whether it has a hook `put-back`."""

    @property
    def active(self) -> bool:
        """Whether anything balances."""
        return bool(self.balancers) or self.asks_out or self.asks_back


@dataclass(frozen=True, kw_only=True)
class StartBalancer(Step):
    """Start a host's balancer, in place of an earlier one, which interrupts the service for a moment."""

    name: ClassVar[str] = "balancer"
    phase: ClassVar[str] = "balancer"
    app: str
    image: str
    address: str
    """Address of the host to bind APP_PORT on; empty for all."""
    port: int
    made_from: str
    """Its `proxy` label."""
    replaces: str = ""
    members: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What it is done to."""
        how = ", replaced (interrupts for a moment)" if self.replaces else ""
        return f"port {self.port}, over {', '.join(self.members) or 'nobody yet'}{how}"


@dataclass(frozen=True, kw_only=True)
class SetMembers(Step):
    """Let a balancer send to these alone; its undo is what it sent to before."""

    name: ClassVar[str] = "members"
    phase: ClassVar[str] = "balancer"
    app: str
    members: tuple[str, ...]
    was: tuple[str, ...]

    @property
    def text(self) -> str:
        """What it is done to."""
        return ", ".join(self.members) or "nobody"


@dataclass(frozen=True, kw_only=True)
class TakeOut(Step):
    """Let the balancers send nothing more to this host, and wait for the requests that it has."""

    name: ClassVar[str] = "take-out"
    phase: ClassVar[str] = "balancer"
    app: str
    member: str
    balancers: tuple[str, ...]
    """Those that send to it."""
    health: HealthCheck | None
    """How what serves there is checked, before it is put back; then another has to serve, while it is out.
    None when nothing serves there."""
    timeout: float
    """Seconds for its requests to end."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"of {', '.join(self.balancers)}"


@dataclass(frozen=True, kw_only=True)
class PutBack(Step):
    """See that the balancers reach this host, and let them send to it again."""

    name: ClassVar[str] = "put-back"
    phase: ClassVar[str] = "balancer"
    app: str
    member: str
    balancers: tuple[str, ...]
    health: HealthCheck
    timeout: float
    """Seconds for its requests to end, when it is undone."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"into {', '.join(self.balancers)}"


@dataclass(frozen=True, kw_only=True)
class AskOut(Step):
    """Have the team's hook take this host out of a balancer of its own; the hook `put-back` undoes it."""

    name: ClassVar[str] = "ask-out"
    phase: ClassVar[str] = "balancer"
    both: bool
    """Whether there is a hook for the other direction."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return "hooks/take-out"


@dataclass(frozen=True, kw_only=True)
class AskBack(Step):
    """Have the team's hook put this host back into a balancer of its own; `take-out` undoes it."""

    name: ClassVar[str] = "ask-back"
    phase: ClassVar[str] = "balancer"
    both: bool
    """Whether there is a hook for the other direction."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return "hooks/put-back"
