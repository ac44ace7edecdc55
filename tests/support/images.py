"""Images made without a build: loaded from an archive, so that they can claim what a test needs."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import docker
from docker.errors import ImageNotFound

from tests.support.tars import tar_of

EPOCH = "1970-01-01T00:00:00Z"
OURS = f"jarship-test-{secrets.token_hex(4)}"
"""What the names of images begin with that this process makes: several runs of tests may share an engine."""


def load_image(
    client: docker.DockerClient,
    name: str,
    layer: bytes,
    *,
    config: Mapping[str, Any] | None = None,
    platform: str = "",
    created: str = EPOCH,
) -> str:
    """An image of one layer; its name.

    Args:
        layer: a tar.
        config: as in Docker's image specification 1.2: User, Env, Entrypoint, Labels and the like.
        platform: `os/architecture` that it claims; the engine's own unless told otherwise.
        created: when it claims to have been built.
    """
    system, _, architecture = (platform or f"linux/{client.version()['Arch']}").partition("/")
    image = {
        "architecture": architecture,
        "os": system,
        "created": created,
        "config": dict(config or {}),
        "history": [{"created": EPOCH, "created_by": "test"}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    archive = {
        "config.json": json.dumps(image).encode(),
        "manifest.json": json.dumps(manifest).encode(),
        "layer.tar": layer,
    }
    client.images.load(tar_of(archive))
    return name


def remove_images(client: docker.DockerClient, *prefixes: str) -> None:
    """Take names that begin so from the engine, those with digests included."""
    for image in client.api.images():
        for name in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]:
            if name.startswith(prefixes):
                # With the last tag of a repository its digests go too.
                with suppress(ImageNotFound):
                    client.images.remove(name)
