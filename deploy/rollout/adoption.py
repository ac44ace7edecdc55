"""Which container that somebody else started is, or could be, the release before ours. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from deploy.values.addresses import Published
from deploy.values.adopting import ADOPTED, Adopted, kept_name, read
from deploy.values.facts import ContainerFacts, HostFacts
from deploy.values.history import Entry
from deploy.values.release import HealthCheck, proxy_name
from deploy.values.steps import Serving

EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  # what the engine says of a port on all addresses
HERE = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """A foreign container, and what it is taken for."""

    adopted: Adopted
    item: ContainerFacts
    """As it is now."""

    @property
    def at_home(self) -> bool:
        """Whether it has its own name: the other one is the mark of having been adopted."""
        return self.item.name != self.adopted.kept_as

    @property
    def is_astray(self) -> bool:
        """Whether it runs though another is in its place: a way back to it that was killed leaves that."""
        return not self.at_home and self.item.running


def adoption(
    facts: HostFacts, histories: Iterable[Iterable[Entry]], *, app: str, at: Published | None, answered: bool
) -> Adoption | None:
    """What there is to adopt, or has been.

    Args:
        facts: of the host.
        histories: that its containers of ours tell, newest first.
        app: the application's name.
        at: APP_PORT; None to look only for what has been adopted before.
        answered: whether what is at APP_PORT answered just now.
    """
    known = _recorded(facts, histories)
    if known and not known.at_home:
        return known
    foreign = in_the_way(facts, app=app, port=at.port) if at else []
    if at and len(foreign) == 1 and not why_not(foreign[0]):
        return Adoption(adopted=_as_it_is(foreign[0], app, at, answered=answered), item=foreign[0])
    if at and known:
        return replace(known, adopted=_as_it_is(known.item, app, at, answered=False))
    return known


def _recorded(facts: HostFacts, histories: Iterable[Iterable[Entry]]) -> Adoption | None:
    told = (read(entry.adopted) for entries in histories for entry in entries if entry.adopted)
    return next(
        (Adoption(adopted=one, item=item) for one in told if one and (item := facts.container(one.id))), None
    )


def _as_it_is(item: ContainerFacts, app: str, at: Published, *, answered: bool) -> Adopted:
    return Adopted(
        id=item.id,
        name=item.name,
        kept_as=kept_name(app, item.id),
        image=item.image,
        policy=item.restart_policy or "no",
        retries=item.restart_limit,
        running=item.running,
        answered=answered and item.running,
        address=address(at),
        port=at.port,
        since=since(item),
    )


def address(at: Published) -> str:
    """Where the host itself reaches APP_PORT."""
    return HERE if (at.address or "") in EVERYWHERE else str(at.address)


def since(item: ContainerFacts) -> str:
    """When a container was created: ISO 8601, UTC; empty when that is not known."""
    if not item.created_at:
        return ""
    return datetime.fromtimestamp(item.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_the_way(facts: HostFacts, *, app: str, port: int) -> list[ContainerFacts]:
    """The containers by our name or on our port that are not of this application.

    One that does not run holds no port, whatever it would publish. That its image is of this application, as
    the image's labels say, makes none ours.
    """
    return [
        item
        for item in facts.containers
        if not (item.role and item.app == app)
        and item.name != proxy_name(app)
        and item.name != kept_name(app, item.id)
        and (item.name == app or (item.running and item in facts.publishing(port)))
    ]


def why_not(item: ContainerFacts) -> str:
    """Why a foreign container cannot be adopted; empty when it can."""
    return next(_reasons(item), "")


def _reasons(item: ContainerFacts) -> Iterator[str]:
    if item.role:
        yield f"it is of another application of this tool, {item.app}"
    if item.labels.get("com.docker.swarm.service.id") or item.labels.get("com.docker.swarm.service.name"):
        yield "Docker Swarm runs it, and would start another in its place"
    if item.removes_itself:
        yield "it was started with --rm, and would be gone once it is stopped"
    if item.network_mode == "host":
        yield "it uses the host's own network, so that there is no telling which ports are its"
    if item.state == "paused":
        yield "it is paused (`docker unpause` it first)"


def as_release(adopted: Adopted, timeout: float) -> Serving:
    """An adopted container as what a rollout replaces, or goes back to.

    `timeout` is how long it has to answer once it is started; seconds.
    """
    return Serving(
        id=adopted.id,
        name=adopted.name,
        release=ADOPTED,
        tag=adopted.tag,
        digest="",
        alias="",
        running=adopted.running,
        health=HealthCheck(path="/", port=adopted.port, below=500, timeout=timeout),
        adopted=adopted,
    )
