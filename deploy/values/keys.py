"""What is known of a key of the settings, and what is known of one setting as it was read."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Group = Literal[
    "Application", "Image", "Registry", "Hosts", "Container", "Health and rollout", "This machine"
]

ENVIRONMENT = "environment"
"""Origin of a setting that came as JARSHIP_<KEY>."""
DEFAULT = "default"
"""Origin of a setting that nobody gave."""
PREFIX = "JARSHIP_"
"""What a key begins with in the process environment; nothing else there counts."""
APP_ENV = "APP_ENV_"
"""APP_ENV_X reaches the container as X."""
SECRET = "SECRET_"  # noqa: S105 (a prefix of keys)
"""SECRET_X reaches the container as X, and is masked everywhere."""

_SECRET_KEY = re.compile(r"SECRET_.*|.*_TOKEN|.*_PASSWORD", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of the settings: how its text is read, and what the documentation says of it."""

    group: Group
    doc: str
    """One sentence; the meaning of leaving the key out included."""
    example: str
    """A value that fits; for a secret, a placeholder that never does."""
    parse: Callable[[str], object]
    """Raises ValueError with what is wrong and what to write; never quotes a secret."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting as it was read."""

    key: str
    value: str
    origin: str
    """`file:line` or `environment`."""
    quoted: bool = True
    """Whether quotes stood around the value, so that what is inside was meant."""

    @property
    def shown(self) -> str:
        """The key as its writer knows it."""
        return PREFIX + self.key if self.origin == ENVIRONMENT else self.key


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with the settings. Never holds the value of a secret."""

    origin: str
    """`file:line`, a file, or `environment`."""
    text: str
    """What is wrong, and what to write."""
    key: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.origin, self.key, self.text) if part)


def is_secret(key: str) -> bool:
    """Whether a key holds a secret: SECRET_*, *_TOKEN and *_PASSWORD do."""
    return bool(_SECRET_KEY.fullmatch(key))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By file and line, for reading."""

    def place(problem: Problem) -> tuple[str, int]:
        name, _, line = problem.origin.rpartition(":")
        return (name, int(line)) if line.isdecimal() else (problem.origin, 0)

    return tuple(sorted(problems, key=place))
