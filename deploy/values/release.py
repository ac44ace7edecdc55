"""A release: a build's digest with the settings that it runs with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.values.confinement import Confinement
from deploy.values.mounts import Mount


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """When a container is healthy: by an HTTP GET on its own address, or by its image's HEALTHCHECK."""

    path: str
    port: int
    below: int
    """Statuses from 200 up to, not including, this one are healthy."""
    timeout: float
    """Seconds from the container's start."""
    monitor: float = 0
    """Seconds that it must stay healthy before the release counts as good."""
    by_image: bool = False
    """Whether the engine runs what the image says; then path and port only tell how users reach it."""

    @property
    def asks(self) -> str:
        """What is asked, for people."""
        return "the image's HEALTHCHECK" if self.by_image else f"GET {self.path} on port {self.port}"

    def accepts(self, status: int) -> bool:
        """Whether an answer with this HTTP status is a healthy one."""
        return 200 <= status < self.below


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """How the application's container runs, the same on every host."""

    environment: Mapping[str, str] = field(repr=False)
    """Secrets included; they never appear in a representation."""
    port: int
    memory: int | None = None
    """Bytes."""
    cpus: float | None = None
    mounts: tuple[Mount, ...] = ()
    log_file: str | None = None
    """The file in the container that the application logs to besides its standard output."""
    user: str | None = None
    """None leaves the image's own."""
    stop_timeout: int = 30
    """Seconds between SIGTERM and SIGKILL."""
    secrets: tuple[str, ...] = ()
    """Names in `environment` whose values are never shown."""
    in_files: tuple[str, ...] = ()
    """Names in `environment` that the container gets as files in memory instead."""
    confinement: Confinement | None = None
    """None as Docker starts a container by itself, which is how Jarship did before it knew better."""

    def variables(self) -> dict[str, str]:
        """What the container gets in its environment."""
        return {name: text for name, text in self.environment.items() if name not in self.in_files}

    def secret_values(self) -> frozenset[str]:
        """The texts that are never shown."""
        return frozenset(self.environment[name] for name in self.secrets if self.environment.get(name))


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a rollout brings to every host."""

    id: str
    """The rollout's id, sortable by time; a valid DNS label and container name suffix."""
    app: str
    profile: str
    image: str
    """`registry/repository@digest`, as the hosts know the registry."""
    digest: str
    tag: str
    proxy_image: str
    """The proxy's image, in the same form."""
    commit: str = ""
    author: str = ""
    subject: str = ""
    deployed_by: str = ""
    deployed_at: str = ""
    """ISO 8601, UTC."""
    origin: str = ""
    """The rollout that brought the same digest with the same settings first; empty when this one does."""
    skipped: tuple[str, ...] = ()
    """Hosts that the rollout leaves out, because they are unreachable: the place of each."""
    called: str = ""
    """The name that its container has on a host already, where a repair takes up one that is there."""
    fingerprint: str = ""
    """Keyed hash of everything that shapes the container; equal when a rollout would change nothing."""
    spec: ContainerSpec
    health: HealthCheck

    @property
    def container(self) -> str:
        """The candidate's name until the commit renames it."""
        return self.called or f"{self.app}-{self.id}"

    @property
    def alias(self) -> str:
        """The candidate's name in the application's network, kept for its life."""
        return f"r{self.id}"


def proxy_name(app: str) -> str:
    """The name of the container that owns APP_PORT on a host."""
    return f"{app}-proxy"


def replaced_proxy_name(app: str) -> str:
    """What a proxy is called between being replaced and the commit."""
    return f"{proxy_name(app)}-replaced"


def network_name(app: str) -> str:
    """The network that the proxy and the application's containers share."""
    return f"{app}-network"


PROXY_TAG = "proxy"
"""Stands for a rollout id where a proxy's image is kept."""


def local_repository(app: str) -> str:
    """The repository of the tags by which a host keeps the images of an application's releases."""
    return f"jarship/{app}"


def local_tag(app: str, release: str) -> str:
    """The tag by which a host keeps a release's image."""
    return f"{local_repository(app)}:{release}"
