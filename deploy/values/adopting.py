"""A container that somebody else started, taken over as the release before the first one of this tool."""

import json
from dataclasses import asdict, dataclass

ADOPTED = "adopted"
"""Stands for a rollout id: no rollout of ours made it."""
ID = 12
"""Characters of a container's id that people compare."""


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What it was before it was adopted: no label can be put on it, so that its successors' history tells.

    Going back to it makes all of it true again.
    """

    id: str
    name: str
    kept_as: str
    """The name that it has as long as another release is in its place."""
    image: str
    """The reference that it was created with."""
    policy: str
    """Its restart policy."""
    retries: int = 0
    """Of the policy `on-failure`: how often at most; 0 for any number."""
    running: bool
    answered: bool = False
    """Whether it answered below 500 at APP_PORT; only then it has to when it is back."""
    address: str = ""
    """The host's address where it did."""
    port: int = 0
    since: str = ""
    """When it was created: ISO 8601, UTC."""

    @property
    def tag(self) -> str:
        """What people call it in the place of a tag."""
        return f"{ADOPTED} {short_image(self.image)}"


def kept_name(app: str, container: str) -> str:
    """What a container is called while it is adopted, by its id."""
    return f"{app}-{ADOPTED}-{container[:ID]}"


def left_name(app: str, release: str) -> str:
    """What a release's container is called that finished, and was left for the adopted one.

    That one can carry no history to tell of it.
    """
    return f"{app}-{release}-left"


def short_image(image: str) -> str:
    """An image without its registry and path; of a bare id its beginning."""
    digest = image.removeprefix("sha256:")
    return digest[:ID] if digest != image else image.rpartition("/")[2].partition("@")[0]


def write(adopted: Adopted) -> str:
    """As a history keeps it."""
    return json.dumps(asdict(adopted), separators=(",", ":"))


def read(text: str) -> Adopted | None:
    """What a history keeps; None when it makes no sense."""
    try:
        return Adopted(**json.loads(text))
    except (ValueError, TypeError):
        return None
