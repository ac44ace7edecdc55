"""What a registry holds, and what of it may go."""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from deploy.hosts.containers import seconds
from deploy.registry import Registry
from deploy.values.manifest import Manifest

_AT_A_TIME = 8


@dataclass(frozen=True, kw_only=True)
class Held:
    """An image, or an index of several, that a registry holds."""

    repository: str
    digest: str
    tags: tuple[str, ...]
    size: int
    """Bytes of its manifest's blobs, which other images may share."""
    created_at: float
    """Seconds since the epoch, as its configuration says; 0 when that says nothing."""
    parts: tuple[str, ...] = ()
    """Of an index: the digests of its images."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of an image."""

    held: Held
    stays: str
    """Why it stays; empty when it goes."""


def read(registry: Registry, repositories: Sequence[str]) -> list[Held]:
    """Everything that has a tag in some repositories, newest first in each.

    Raises:
        BuildError: the registry does not answer, or holds something broken.
    """
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        tags = pool.map(lambda name: [(name, tag) for tag in registry.tags(name)], repositories)
        pairs = list(itertools.chain.from_iterable(tags))
        digests = list(pool.map(lambda pair: registry.digest(*pair), pairs))
        by_digest: dict[tuple[str, str], list[str]] = defaultdict(list)
        for (repository, tag), digest in zip(pairs, digests, strict=True):
            if digest is not None:  # Deleted since the list was made.
                by_digest[repository, digest].append(tag)
        found = list(pool.map(lambda key: _held(registry, *key), by_digest))
    with_tags = [replace(held, tags=tuple(by_digest[held.repository, held.digest])) for held in found]
    return sorted(with_tags, key=lambda held: (held.repository, -held.created_at, held.digest))


def judge(
    held: Sequence[Held], uses: Mapping[str, Sequence[str]], *, keep: int, also: Mapping[str, str]
) -> list[Verdict]:
    """Say of each image whether it goes: not the newest of its repository, and used by nobody.

    An image that is part of an index, with a tag of its own besides, stays and goes with that, and does not
    count among the newest.

    Args:
        held: newest first in each repository.
        uses: digest -> what hosts do with it.
        keep: how many of each repository stay in any case.
        also: further digests that stay -> why.
    """
    places: dict[str, int] = defaultdict(int)
    verdicts = {}
    indexes = [(each.repository, part, each) for each in held for part in each.parts]
    parts = {(repository, part) for repository, part, _ in indexes}
    for each in held:
        if (each.repository, each.digest) in parts:
            continue
        places[each.repository] += 1
        names = (each.digest, *each.parts)
        reasons = [words for name in names for words in uses.get(name, ())]
        reasons += [also[name] for name in names if name in also]
        if places[each.repository] <= keep:
            reasons.append(f"among the newest {keep}")
        if not each.created_at:
            reasons.append("its age is not known")
        verdicts[each] = Verdict(held=each, stays=", ".join(dict.fromkeys(reasons)))
    staying = {(name, part): index for name, part, index in indexes if verdicts[index].stays}
    for each in held:
        if each not in verdicts:
            index = staying.get((each.repository, each.digest))
            stays = f"part of {', '.join(index.tags) or index.digest}" if index else ""
            verdicts[each] = Verdict(held=each, stays=stays)
    return [verdicts[each] for each in held]


def orphans(verdicts: Sequence[Verdict], uses: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """The parts of indexes that go, which nothing else has any more: repository and digest.

    Those that have a verdict of their own are left out.
    """
    judged = {(each.held.repository, each.held.digest) for each in verdicts}
    stay = {
        (each.held.repository, digest)
        for each in verdicts
        if each.stays
        for digest in (each.held.digest, *each.held.parts)
    }
    going = ((each.held.repository, part) for each in verdicts if not each.stays for part in each.held.parts)
    return [pair for pair in dict.fromkeys(going) if pair not in stay | judged and pair[1] not in uses]


def _held(registry: Registry, repository: str, digest: str) -> Held:
    manifest = registry.manifest(repository, digest)
    parts: tuple[str, ...] = ()
    images = [manifest]
    if manifest.is_index:
        parts = tuple(entry["digest"] for entry in manifest.content["manifests"])
        images = [registry.manifest(repository, part) for part in parts]
    blobs = {blob.digest: blob.size for image in images for blob in (image.config, *image.layers)}
    created = max((_created(registry, repository, image) for image in images), default=0.0)
    return Held(
        repository=repository,
        digest=digest,
        tags=(),
        size=sum(blobs.values()),
        created_at=created,
        parts=parts,
    )


def _created(registry: Registry, repository: str, image: Manifest) -> float:
    """When an image was built; 0 when its configuration does not say, as other artifacts' do not."""
    text = str(registry.config(repository, image.config.digest).get("created") or "")
    try:
        return seconds(text) if text else 0.0
    except ValueError:
        return 0.0


def age(created_at: float, now: datetime) -> str:
    """How old something is, in one unit; empty when that is not known."""
    if not created_at:
        return ""
    passed = max(0.0, now.timestamp() - created_at)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= length:
            return f"{passed / length:.0f} {unit}"
    return f"{passed:.0f} s"
