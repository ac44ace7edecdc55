"""How a host is replaced: start-first where it has the memory for two, else recreate. Pure."""

from dataclasses import dataclass

from deploy.rollout.found import Found
from deploy.values.facts import ContainerFacts, HostFacts
from deploy.values.plan import Strategy
from deploy.values.release import Release

CHANNELS = 3 * 23 * 2**20
"""Bytes that the tool's own sessions take on a host: two of `docker system dial-stdio`, 23 MB each as
measured, and the lock's with the proxy's second set of workers."""
ASSUMED = 512 * 2**20
"""Bytes that an application without MEMORY is taken to need."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """The way a host is replaced, and why that one."""

    strategy: Strategy
    why: str


@dataclass(frozen=True, kw_only=True)
class Room:
    """The memory of a host against what two releases at once need; bytes."""

    limits: int
    """What both may grow to, with the tool's own."""
    total: int
    new: int
    """What the new one may grow to, with the tool's own."""
    available: int

    @property
    def enough(self) -> bool:
        """Whether both fit, also when each uses all that it may."""
        return self.limits <= self.total and self.new <= self.available

    def __str__(self) -> str:
        if self.limits > self.total:
            return f"two at once may take {_mib(self.limits)}, the host has {_mib(self.total)}"
        if self.new > self.available:
            return f"the new one may take {_mib(self.new)}, {_mib(self.available)} are available"
        return f"two at once may take {_mib(self.limits)} of {_mib(self.total)}"


def runs_there(found: Found) -> ContainerFacts | None:
    """What is to be replaced, be it ours or somebody else's."""
    return found.adoption.item if found.adoption and found.adopts else found.serving


def room(release: Release, facts: HostFacts, found: Found) -> Room:
    """Compare what two releases at once need with what a host has."""
    need = release.spec.memory or ASSUMED
    return Room(
        limits=need + _taken(found, need) + CHANNELS,
        total=facts.memory_total,
        new=need + CHANNELS,
        available=facts.memory_available,
    )


def _taken(found: Found, need: int) -> int:
    """Bytes that the old one may grow to; the new one's limit when the engine was not asked for its own."""
    old = runs_there(found)
    if old is None or not old.running:
        return 0
    return old.memory or (ASSUMED if old.inspected else need)


def choose(wish: str, release: Release, facts: HostFacts, found: Found) -> Way:
    """The way to replace on one host.

    Args:
        wish: STRATEGY: `auto`, `start-first` or `recreate`.
        release: the new one.
        facts: of the host.
        found: its containers.
    """
    if wish == "recreate":
        return Way(strategy="recreate", why="STRATEGY=recreate")
    old = runs_there(found)
    if old is None or not old.running:
        return Way(strategy="start-first", why="nothing runs yet")
    space = room(release, facts, found)
    why = "STRATEGY=start-first" if wish == "start-first" else str(space)
    if found.adopts:
        why += f"; interrupted while the port goes from {old.name} to the proxy"
    first = wish == "start-first" or space.enough
    return Way(strategy="start-first" if first else "recreate", why=why)


def _mib(size: int) -> str:
    return f"{size // 2**20}m"
