"""The releases that finished before another one, as a container's label tells of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from deploy.values import adopting, labels
from deploy.values.adopting import Adopted

LONGEST = 20
"""How many a label tells of: more than containers are kept, since a registry may have their images still."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One release that finished."""

    id: str
    """Its rollout id."""
    digest: str = ""
    tag: str = ""
    image: str = ""
    """`registry/repository@digest`, as its hosts knew the registry."""
    commit: str = ""
    author: str = ""
    subject: str = ""
    who: str = ""
    """Who deployed it: `user@machine`."""
    when: str = ""
    """ISO 8601, UTC."""
    origin: str = ""
    """The rollout that brought the same digest with the same settings first; empty when this one did."""
    adopted: str = ""
    """Of one that somebody else started: what it was before, as `values/adopting.py` writes it."""

    @property
    def first(self) -> str:
        """What tells two releases apart: the same digest and settings, brought again, count as one."""
        return self.origin or self.id


def of_labels(said: Mapping[str, str], image: str) -> Entry:
    """The release that a container was made for.

    Args:
        said: the container's labels.
        image: the reference that it was created with.
    """
    return Entry(
        id=said.get(labels.RELEASE, ""),
        digest=said.get(labels.DIGEST, ""),
        tag=said.get(labels.TAG, ""),
        image=image,
        commit=said.get(labels.COMMIT, ""),
        author=said.get(labels.AUTHOR, ""),
        subject=said.get(labels.SUBJECT, ""),
        who=said.get(labels.DEPLOYED_BY, ""),
        when=said.get(labels.DEPLOYED_AT, ""),
        origin=said.get(labels.ORIGIN, ""),
    )


def read(label: str) -> tuple[Entry, ...]:
    """The releases that a history label tells of, newest first; none when it makes no sense."""
    known = {field.name for field in fields(Entry)}
    try:
        found = json.loads(label or "[]")
        return tuple(
            Entry(**{name: str(value) for name, value in each.items() if name in known}) for each in found
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ()


def of_adopted(adopted: Adopted) -> Entry:
    """A container that somebody else started, as a release before others."""
    return Entry(
        id=adopting.ADOPTED,
        tag=adopted.tag,
        image=adopted.image,
        when=adopted.since,
        adopted=adopting.write(adopted),
    )


def latest(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """What of a history a label tells; always of an adopted container, of which nothing else does."""
    return (*entries[:LONGEST], *(entry for entry in entries[LONGEST:] if entry.adopted))


def write(entries: Sequence[Entry]) -> str:
    """A history label."""
    told = [{name: value for name, value in asdict(entry).items() if value} for entry in entries]
    return json.dumps(told, separators=(",", ":"))
