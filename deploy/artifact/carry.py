"""A push from an engine that does not know what the registry has, such as that of a fresh build machine.

An engine skips a layer only when it has pushed or pulled it itself (moby, distribution/push_v2.go: by its own
records of digests). Of a layer that it built, which the registry has from another machine, it knows no
digest, and sends it whole. The registry's own images tell which blob is which layer; so only what no image of
the repository has is sent, and the manifest that names the rest.
"""

import gzip
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker import DockerClient
from docker.models.images import Image as EngineImage

from deploy.artifact.engine_build import CACHE
from deploy.artifact.saved_image import SavedImage, saved
from deploy.registry import Registry
from deploy.uploads import put_blob, put_manifest
from deploy.values.errors import BuildError
from deploy.values.manifest import MANIFESTS, Blob

WORTH = 2**20
"""Bytes; an engine that would send less in vain may do so."""
LARGEST = 64 * 2**20
"""Bytes; a layer that is larger is left to the engine."""
LOOKED_AT = 8
"""How many images of the repository are looked at."""
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_GZIP = (_LAYER, "application/vnd.oci.image.layer.v1.tar+gzip")


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What was sent by hand."""

    digest: str
    """Of the manifest."""
    reused: int
    """Layers that the registry had."""
    sent: tuple[int, ...]
    """Bytes of each layer that it had not."""


def carry(
    client: DockerClient, registry: Registry, repository: str, tag: str, image: EngineImage
) -> Carried | None:
    """Push an image by what the registry tells of its layers, where the engine would send much in vain.

    Returns:
        What was sent; None when the engine is to push: it has layers of this repository itself, the registry
        has none of these, or a new one is large.

    Raises:
        BuildError: the registry takes no push.
    """
    diff_ids: tuple[str, ...] = tuple(image.attrs["RootFS"]["Layers"])
    foreign = set(diff_ids) - _of_this_engine(client, repository, image)
    if foreign <= {diff_ids[-1]}:  # the application's own, which no other image has
        return None
    known = _known(registry, repository, frozenset(diff_ids))
    if sum(known[diff_id].size for diff_id in foreign if diff_id in known) < WORTH:
        return None
    with saved(client, image.id or "") as content:
        return _upload(registry, repository, tag, content, known)


def _of_this_engine(client: DockerClient, repository: str, image: EngineImage) -> set[str]:
    """The layers of the other images that this engine has built for the repository, and so has pushed."""
    others = [one for one in client.images.list(f"{CACHE}/{repository}") if one.id != image.id]
    return {diff_id for one in others for diff_id in one.attrs["RootFS"]["Layers"]}


def _known(registry: Registry, repository: str, wanted: frozenset[str]) -> dict[str, Blob]:
    """The blobs of layers that images of the repository have, by their diff IDs; those that are there."""
    found: dict[str, Blob] = {}
    for tag in reversed(registry.tags(repository)[-LOOKED_AT:]):
        # An image that is damaged tells nothing; the engine can still push.
        with suppress(BuildError):
            found |= _blobs(registry, repository, tag)
    return {
        diff_id: blob
        for diff_id, blob in found.items()
        if diff_id in wanted and registry.blob_exists(repository, blob.digest)
    }


def _blobs(registry: Registry, repository: str, tag: str) -> dict[str, Blob]:
    manifest = registry.manifest(repository, tag)
    if manifest.is_index:
        return {}
    diff_ids = registry.config(repository, manifest.config.digest)["rootfs"]["diff_ids"]
    types = [layer.get("mediaType") for layer in manifest.content["layers"]]
    layers = zip(diff_ids, manifest.layers, types, strict=True)
    return {diff_id: blob for diff_id, blob, kind in layers if kind in _GZIP}


def _upload(
    registry: Registry, repository: str, tag: str, content: SavedImage, known: Mapping[str, Blob]
) -> Carried | None:
    config = content.config
    diff_ids: list[str] = json.loads(config)["rootfs"]["diff_ids"]
    layers: list[Blob] = []
    sent: list[int] = []
    for place, diff_id in enumerate(diff_ids):
        if diff_id in known:
            layers.append(known[diff_id])
            continue
        tar = content.layer(place).read(LARGEST + 1)
        if len(tar) > LARGEST:
            return None
        layers.append(_send(registry, repository, gzip.compress(tar, mtime=0)))
        sent.append(layers[-1].size)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFESTS[1],
        "config": _entry(_CONFIG, _send(registry, repository, config)),
        "layers": [_entry(_LAYER, layer) for layer in layers],
    }
    text = json.dumps(manifest, indent=3).encode()
    digest = put_manifest(registry, repository, tag, text, MANIFESTS[1])
    return Carried(digest=digest, reused=len(layers) - len(sent), sent=tuple(sent))


def _send(registry: Registry, repository: str, content: bytes) -> Blob:
    return Blob(digest=put_blob(registry, repository, content), size=len(content))


def _entry(kind: str, blob: Blob) -> dict[str, Any]:
    return {"mediaType": kind, "size": blob.size, "digest": blob.digest}
