"""The steps of a rollout: frozen, decided before anything changes, each holding what its undo needs."""

from dataclasses import dataclass
from typing import ClassVar

from deploy.values.adopting import Adopted
from deploy.values.release import HealthCheck, Release


@dataclass(frozen=True, kw_only=True)
class Serving:
    """The container of the application that a host serves from, before the rollout."""

    id: str
    name: str
    release: str
    """Its rollout id."""
    tag: str
    digest: str
    alias: str
    running: bool
    """False when it was found stopped: then going back starts it, and does not ask for its health."""
    health: HealthCheck
    """How its own release was checked, so that going back is checked the same way."""
    adopted: Adopted | None = None
    """What is known of it when somebody else started it, and APP_PORT leads straight to it."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change on one host.

    `name` is the marker on the stream of events; `phase` groups the seconds of the summary.
    """

    name: ClassVar[str]
    phase: ClassVar[str]

    @property
    def text(self) -> str:
        """What it is done to, for people, who read its name before it."""
        return ""


@dataclass(frozen=True, kw_only=True)
class Pull(Step):
    """Pull an image by its digest and tag it locally, so that the host's prune spares it."""

    name: ClassVar[str] = "pull"
    phase: ClassVar[str] = "pull"
    image: str
    keep_as: str
    """Local tag."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return short(self.image)


@dataclass(frozen=True, kw_only=True)
class MakeNetwork(Step):
    """Make the network that the proxy and the application share."""

    name: ClassVar[str] = "network"
    phase: ClassVar[str] = "proxy"
    network: str
    app: str

    @property
    def text(self) -> str:
        """What it is done to."""
        return self.network


@dataclass(frozen=True, kw_only=True)
class StartProxy(Step):
    """Start the host's proxy, in place of an earlier one whose image, port or configuration was another.

    That interrupts the service for a moment. A first one answers 502 until the first switch.
    """

    name: ClassVar[str] = "proxy"
    phase: ClassVar[str] = "proxy"
    app: str
    image: str
    address: str
    """Address of the host to bind APP_PORT on; empty for all."""
    port: int
    made_from: str
    """Its `proxy` label."""
    replaces: str = ""
    """The earlier one's container; kept, stopped, until the commit."""
    sends_to: str = ""
    """The alias of what serves now; empty when nothing does."""
    container_port: int = 0
    resumes: bool = True
    """Whether the earlier one is started again by the undo; not where it was found stopped for another."""

    @property
    def text(self) -> str:
        """What it is done to."""
        how = ", replaced (interrupts for a moment)" if self.replaces and self.resumes else ""
        return f"port {self.port}{how}"


@dataclass(frozen=True, kw_only=True)
class Discard(Step):
    """Remove a container that an earlier rollout left half done."""

    name: ClassVar[str] = "discard"
    phase: ClassVar[str] = "prepare"
    container: str
    container_name: str

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"leftover {self.container_name}"


@dataclass(frozen=True, kw_only=True)
class StopIdle(Step):
    """Stop an earlier release that still runs, though the proxy sends elsewhere.

    A rollout that was killed after its switch leaves that. It stays stopped when this one is undone.
    """

    name: ClassVar[str] = "idle"
    phase: ClassVar[str] = "prepare"
    container: str
    container_name: str

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"stop {self.container_name}, which serves nobody"


@dataclass(frozen=True, kw_only=True)
class Create(Step):
    """Create the candidate, restart policy `no`."""

    name: ClassVar[str] = "create"
    phase: ClassVar[str] = "prepare"
    release: Release
    history: str
    """JSON for its history label."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return self.release.container


@dataclass(frozen=True, kw_only=True)
class StopOld(Step):
    """Stop the serving container; its undo starts the very same one again and waits for its health."""

    name: ClassVar[str] = "stop"
    phase: ClassVar[str] = "stop"
    old: Serving
    release: Release

    @property
    def text(self) -> str:
        """What it is done to."""
        return self.old.tag or self.old.name


@dataclass(frozen=True, kw_only=True)
class Start(Step):
    """Start the candidate."""

    name: ClassVar[str] = "start"
    phase: ClassVar[str] = "start"
    release: Release

    @property
    def text(self) -> str:
        """What it is done to."""
        return self.release.tag


@dataclass(frozen=True, kw_only=True)
class AwaitHealth(Step):
    """Wait until the candidate is healthy, by its own address or by its image's own check."""

    name: ClassVar[str] = "health"
    phase: ClassVar[str] = "health"
    release: Release

    @property
    def text(self) -> str:
        """What it is done to."""
        check = self.release.health
        asked = check.asks if check.by_image else check.path
        return f"wait for {asked}, {check.timeout:g} s at most"


@dataclass(frozen=True, kw_only=True)
class Switch(Step):
    """Let the proxy send to the candidate; from here on it, not its predecessor, survives a reboot."""

    name: ClassVar[str] = "switch"
    phase: ClassVar[str] = "switch"
    release: Release
    old: Serving | None
    drain_timeout: float
    """Seconds that the candidate's last requests get when the switch is undone."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"the proxy to {self.release.tag}"


@dataclass(frozen=True, kw_only=True)
class ReviveProxy(Step):
    """Let a stopped proxy serve, such as the one that a killed rollout had begun to replace."""

    name: ClassVar[str] = "proxy"
    phase: ClassVar[str] = "proxy"
    app: str
    container: str
    stops: bool = False
    """Whether its undo stops it again, as it has the port of an adopted container."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return "start the one that is there"


@dataclass(frozen=True, kw_only=True)
class Settle(Step):
    """Leave no doubt that a running container is the one that serves: restart policies, the proxy's target.

    It has no undo: it changes nothing that is wanted to be otherwise.
    """

    name: ClassVar[str] = "settle"
    phase: ClassVar[str] = "switch"
    release: Release

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"the proxy and restarts on {self.release.tag}"


@dataclass(frozen=True, kw_only=True)
class Drain(Step):
    """Wait until the proxy's old workers have served their last request to the old container."""

    name: ClassVar[str] = "drain"
    phase: ClassVar[str] = "drain"
    app: str
    timeout: float
    """Seconds; what is still open then is cut when the old container stops."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"the old workers, {self.timeout:g} s at most"


@dataclass(frozen=True, kw_only=True)
class Monitor(Step):
    """See the candidate stay healthy for MONITOR seconds."""

    name: ClassVar[str] = "monitor"
    phase: ClassVar[str] = "monitor"
    release: Release

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"for {self.release.health.monitor:g} s"


@dataclass(frozen=True, kw_only=True)
class Commit(Step):
    """Give the candidate the plain name; its predecessor keeps its own release's name."""

    name: ClassVar[str] = "commit"
    phase: ClassVar[str] = "commit"
    release: Release
    old_id: str
    """The container that has the plain name now; empty when none has."""
    old_name: str
    """The name it takes."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return self.release.tag


@dataclass(frozen=True, kw_only=True)
class Prune(Step):
    """Remove what is kept longer than KEEP_RELEASES says, and images of ours without a container.

    A failure here is a warning.
    """

    name: ClassVar[str] = "prune"
    phase: ClassVar[str] = "commit"
    app: str
    containers: tuple[str, ...]
    secret_files: bool = False
    """Whether there may be secrets as files of those."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"{len(self.containers)} earlier containers, and images that none uses"


def short(image: str) -> str:
    """An image reference with its digest cut to what people compare."""
    name, _, digest = image.partition("@sha256:")
    return f"{name}@{digest[:12]}" if digest else name
