"""What a host was seen to be, before anything is changed there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from deploy.values import labels
from deploy.values.images import Stock
from deploy.values.inventory import Host

Health = Literal["none", "starting", "healthy", "unhealthy"]
Kind = Literal["directory", "file", "special"]


@dataclass(frozen=True, kw_only=True)
class PublishedPort:
    """A port of the host that leads into a container."""

    address: str
    """`0.0.0.0` or `::` for all addresses."""
    port: int
    container_port: int
    protocol: str = "tcp"


@dataclass(frozen=True, kw_only=True)
class ContainerFacts:
    """A container of a host's engine, running or not.

    Source: the engine's list of containers, and its `inspect` for those of the application and those in its
    way.
    """

    id: str
    name: str
    """Without the leading slash."""
    state: str
    """`created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`."""
    image: str
    """The reference it was created with; the image's id when that is gone and it was not inspected."""
    image_id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Its address by network; running containers only."""
    published: tuple[PublishedPort, ...] = ()
    created_at: float = 0.0
    """Seconds since the epoch, by the host's clock."""
    exit_code: int | None = None
    """How its process ended last; None while it runs, or before it ever ran."""
    health: Health = "none"

    inspected: bool = False
    """Whether the fields below are known."""
    restart_policy: str = ""
    """`no`, `always`, `unless-stopped` or `on-failure`."""
    restart_limit: int = 0
    """Of the policy `on-failure`: how often at most; 0 for any number."""
    restart_count: int = 0
    memory: int | None = None
    """Its limit in bytes; None for none."""
    network_mode: str = ""
    """`host` where it uses the host's own network, and publishes nothing."""
    removes_itself: bool = False
    """Whether it is gone when it stops (`docker run --rm`)."""
    oom_killed: bool = False
    error: str = ""
    """What the engine says about a failed start."""
    started_at: str = ""
    """ISO 8601 in UTC, by the host's clock; empty when it never ran."""
    finished_at: str = ""
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Its names by network, as Docker's DNS answers them."""

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state in {"running", "paused", "restarting"}

    @property
    def app(self) -> str:
        """The application it belongs to; empty for a foreign container."""
        return self.labels.get(labels.APP, "")

    @property
    def role(self) -> str:
        """`app`, `proxy` or empty."""
        return self.labels.get(labels.ROLE, "")


@dataclass(frozen=True, kw_only=True)
class PathFacts:
    """A file or directory of a host, such as a mount's source."""

    path: str
    """What was asked for."""
    answer: Literal["there", "missing", "denied"]
    """`denied`: the SSH user may not look."""
    uid: int = -1
    gid: int = -1
    mode: int = 0
    """Permission bits."""
    kind: Kind = "special"
    access_list: bool = False
    """Whether an ACL says more than the mode does."""
    unwritable: tuple[str, ...] = ()
    """Files directly in it that the asked user cannot write."""

    def writable_by(self, uid: int, gid: int, *, overrides: bool = True) -> bool | None:
        """Whether a user may write it, or make files in it; None when that is not known.

        Args:
            uid: the user.
            gid: its group.
            overrides: whether root has the capability CAP_DAC_OVERRIDE.

        Source: path_resolution(7), "Permissions".
        """
        if self.answer == "missing":
            return False
        if self.answer == "denied" or (self.access_list and uid not in {0, self.uid}):
            return None
        needed = 3 if self.kind == "directory" else 2
        shift = 6 if uid == self.uid else 3 if gid == self.gid else 0
        return (uid == 0 and overrides) or (self.mode >> shift) & needed == needed


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """One host, at one moment. Sizes in bytes."""

    host: Host
    engine_id: str
    """The same for two names of one engine."""
    engine_version: str
    api_version: str
    os: str
    """`linux`."""
    architecture: str
    """As image platforms name it: `amd64`, `arm64`."""
    cpus: int
    data_root: str
    """The engine's directory of images and containers."""
    remapped_users: bool
    """Whether the engine is rootless or remaps users: a container's uid is then another one on the host."""

    memory_total: int
    """What containers may use together: the machine's, or the limit that it is itself under."""
    memory_available: int
    disk_free: int
    """Bytes left for users where `data_root` lies."""
    inodes_free: int | None
    """None where the file system has no fixed number of them."""
    listening: tuple[int, ...]
    """TCP ports that something listens on, at any address."""
    clock: float
    """The host's clock, seconds since the epoch."""
    clock_offset: float
    """Seconds by which it is ahead of this machine's."""
    boot_id: str
    """Changes with each boot of the machine."""
    has_flock: bool
    user: str
    groups: tuple[str, ...]
    home: str
    mounts: Mapping[str, PathFacts]
    """By source."""
    log: PathFacts | None
    """The log file in its mount; where it is missing, the nearest directory above it that exists."""
    containers: tuple[ContainerFacts, ...]
    registry_config: Mapping[str, Any] = field(default_factory=dict)
    """What the engine's `info` says of registries: those without TLS, mirrors."""
    authority: str | None = None
    """The content of the file of the registry's authority; empty when it is missing, None when not seen."""
    stock: Stock = field(default_factory=Stock)
    """Its images."""

    @property
    def platform(self) -> str:
        """`os/architecture`, such as `linux/arm64`."""
        return f"{self.os}/{self.architecture}"

    def container(self, name_or_id: str) -> ContainerFacts | None:
        """The container with this name or full id."""
        return next((c for c in self.containers if name_or_id in {c.name, c.id}), None)

    def of_app(self, app_name: str, role: str = "app") -> tuple[ContainerFacts, ...]:
        """The containers of an application in a role, oldest release first."""
        mine = (c for c in self.containers if c.app == app_name and c.role == role)
        return tuple(sorted(mine, key=lambda c: (c.labels.get(labels.RELEASE, ""), c.created_at)))

    def publishing(self, port: int) -> tuple[ContainerFacts, ...]:
        """The containers through which a TCP port of the host leads."""
        return tuple(
            c for c in self.containers if any(p.port == port and p.protocol == "tcp" for p in c.published)
        )
