"""The steps that take over a container that somebody else started, and give it back its place."""

from dataclasses import dataclass
from typing import ClassVar

from deploy.values.adopting import Adopted
from deploy.values.steps import Serving, Step


@dataclass(frozen=True, kw_only=True)
class Adopt(Step):
    """Give the container its name as an adopted one, and restart policy `no`; its undo gives both back."""

    name: ClassVar[str] = "adopt"
    phase: ClassVar[str] = "stop"
    adopted: Adopted

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"{self.adopted.name}, from now on {self.adopted.kept_as}"


@dataclass(frozen=True, kw_only=True)
class Close(Step):
    """Stop the adopted container, so that APP_PORT is free; its undo starts it and waits for its answer."""

    name: ClassVar[str] = "close"
    phase: ClassVar[str] = "stop"
    adopted: Adopted
    timeout: float
    """Seconds that it has to answer when it is started again."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"{self.adopted.kept_as}: port {self.adopted.port} is free until the proxy has it"


@dataclass(frozen=True, kw_only=True)
class GiveBack(Step):
    """Stop the proxy, so that APP_PORT is free for the adopted container; its undo starts it again."""

    name: ClassVar[str] = "give-back"
    phase: ClassVar[str] = "proxy"
    app: str
    container: str
    """The proxy's."""
    running: bool
    """Whether it ran before: then its undo starts it again."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return "stop the proxy"


@dataclass(frozen=True, kw_only=True)
class Return(Step):
    """Start the adopted container and wait for its answer; its undo stops it."""

    name: ClassVar[str] = "return"
    phase: ClassVar[str] = "start"
    adopted: Adopted
    timeout: float
    """Seconds that it has to answer."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return self.adopted.kept_as


@dataclass(frozen=True, kw_only=True)
class Reinstate(Step):
    """Give the adopted container its restart policy and its name: that is the commit of going back to it.

    Whoever has the plain name makes way before, and keeps a name that says that it finished.
    """

    name: ClassVar[str] = "reinstate"
    phase: ClassVar[str] = "commit"
    adopted: Adopted
    app: str
    old: Serving | None
    """Whose container has the plain name; None when none of ours has."""

    @property
    def text(self) -> str:
        """What it is done to."""
        return f"{self.adopted.name}, restart policy {self.adopted.policy}"
