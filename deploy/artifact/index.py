"""Images for several platforms under one tag and digest: each pushed by itself, then an index of them.

An engine that pulls the index takes the image for its own platform (OCI image specification 1.1, "Image
Index"; Docker calls it a manifest list). It needs no engine that knows of indexes to make one: it is a few
lines of JSON, which the registry takes when it has all that they name.
"""

import json
from collections.abc import Sequence
from typing import Any

from deploy.artifact.place import STEP, Place, fingerprint_there, local_fingerprint, missing
from deploy.artifact.place import send as send_image
from deploy.artifact.tag import with_suffix
from deploy.uploads import put_manifest
from deploy.values.manifest import INDEXES, MANIFESTS, Manifest


def send(places: Sequence[Place], tag: str) -> str:
    """Push images for several platforms; the digest of their index.

    Args:
        places: one for each platform, of one repository.
        tag: of the index; the images get it with their architecture behind it.

    Raises:
        BuildError: the registry refused, or misses a blob afterwards.
    """
    parts = [(place, _part(place, tag)) for place in places]
    registry, repository, stream = places[0].registry, places[0].repository, places[0].stream
    # Docker's own kind of list, unless an image is of the other: engines take either, registries may not mix.
    docker = all(part.media_type == MANIFESTS[1] for _, part in parts)
    kind = INDEXES[1] if docker else INDEXES[0]
    content = {
        "schemaVersion": 2,
        "mediaType": kind,
        "manifests": [_entry(place, part) for place, part in parts],
    }
    platforms = ", ".join(place.platform for place in places)
    with stream.step(STEP, f"Push {registry.address}/{repository}:{tag} for {platforms}"):
        return put_manifest(registry, repository, tag, json.dumps(content, indent=3).encode(), kind)


def _part(place: Place, tag: str) -> Manifest:
    """One platform's image, which the registry has afterwards under a tag of its own."""
    own = local_fingerprint(place.image)
    name = with_suffix(tag, place.platform.partition("/")[2])
    digest = place.registry.digest(place.repository, name)
    if digest and fingerprint_there(place, digest) != own:
        # A tag keeps its meaning.
        name = with_suffix(name, own[:8])
        digest = place.registry.digest(place.repository, name)
    if digest is None or missing(place, digest):
        digest = send_image(place, name)
    return place.registry.image_manifest(place.repository, digest, place.platform)


def _entry(place: Place, part: Manifest) -> dict[str, Any]:
    os, architecture = place.platform.split("/")
    platform = {"architecture": architecture, "os": os}
    if variant := place.image.attrs.get("Variant"):
        platform["variant"] = variant
    return {"mediaType": part.media_type, "size": part.size, "digest": part.digest, "platform": platform}
