"""What `plan` decided and on what, as it prints it and as `--out` keeps it. Holds no secret."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from deploy.values.build import Build


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Change(_Frozen):
    """One difference between what runs and what would."""

    kind: Literal["added", "removed", "changed"]
    what: str
    """Such as `release`, `memory`, `mount` or `environment`."""
    name: str = ""
    """Of an environment variable, whose values are never told."""
    was: str = ""
    now: str = ""


class Fetch(_Frozen):
    """What a host would pull: an estimate, see `deploy.values.images.to_pull`. Bytes are compressed."""

    bytes: int
    layers: int
    whole_bytes: int
    whole_layers: int


class JavaHeap(_Frozen):
    """The largest heap that Java would take."""

    bytes: int
    why: str
    needs: int = 0
    """Bytes that Java takes with all else, about; 0 in a plan of a version that did not tell."""


class Seen(_Frozen):
    """What a host was found to be: what the plan was decided on."""

    engine: str
    """The engine's ID."""
    platform: str
    """`os/architecture`."""
    memory: int
    """Bytes that containers may use together."""
    cpus: int
    serving: str
    """Id of the container that serves; empty when none does."""
    serving_tag: str
    running: bool
    proxy: str
    """Id of the proxy's container; empty when there is none."""
    sends_to: str
    """The alias that the proxy sends to."""


class PlannedHost(_Frozen):
    """What the rollout would do on one host."""

    host: str
    address: str
    action: Literal["nothing", "start", "replace"]
    strategy: Literal["start-first", "recreate"]
    why: str
    """Why this strategy."""
    changes: tuple[Change, ...]
    notes: tuple[str, ...]
    pull: Fetch
    heap: JavaHeap | None
    """None when nothing says that Java runs there."""
    steps: tuple[str, ...]
    """Names, in order."""
    seen: Seen


class PlannedBalancer(_Frozen):
    """What the rollout would do at one balancer."""

    host: str
    members: tuple[str, ...]
    """Where it sends now, sorted."""
    container: str
    """Its id; empty when there is none."""
    steps: tuple[str, ...]
    """In words; besides taking each host out and putting it back."""


class PlannedRelease(_Frozen):
    """What would be released."""

    tag: str
    digest: str
    image: str
    """As the hosts know it."""
    commit: str
    author: str
    subject: str


class Basis(_Frozen):
    """The settings that the plan was made with."""

    shown: dict[str, str]
    """Those that may be shown, by their key; of the application's variables the names."""
    key: str
    """Random, hexadecimal."""
    hash: str
    """Of all that the settings bring to a rollout, by this key; slow, so that it gives no secret away."""


class Planned(_Frozen):
    """A plan, whole."""

    format: Literal[1] = 1
    app: str
    profile: str
    made_at: str
    """ISO 8601, UTC."""
    changes: bool
    """Whether there is anything to do."""
    force: bool
    adopt: bool = False
    """Whether what somebody else started is taken over (`--adopt`)."""
    release: PlannedRelease
    order: tuple[tuple[str, ...], ...]
    """The hosts as they would be replaced, batch after batch."""
    hosts: tuple[PlannedHost, ...]
    balancers: tuple[PlannedBalancer, ...] = ()
    settings: Basis
    build: Build
