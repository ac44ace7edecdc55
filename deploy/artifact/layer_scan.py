"""The files that a project's own Dockerfile put into an image, searched for secrets."""

import tarfile
from collections.abc import Iterator, Mapping
from typing import IO

from docker import DockerClient

from deploy.artifact import transfer
from deploy.artifact.dockerfile import SCRATCH
from deploy.artifact.saved_image import saved
from deploy.artifact.secret_scan import Finding, scan_text
from deploy.values.build import Image

LARGEST = 16 * 2**20
"""Bytes; what is larger is no text with a secret in it."""
_JAR = ".jar"
"""The application's jar has been searched by itself, and packed content shows nothing."""


def scan_layers(client: DockerClient, image: Image, named: Mapping[str, str]) -> Iterator[Finding]:
    """Look into every file of an image's layers above its base.

    Args:
        client: the engine that has it.
        image: the image.
        named: secrets by the keys that they are set by.
    """
    base = transfer.local_image(client, image.base) if image.base != SCRATCH else None
    below = len(base.attrs["RootFS"]["Layers"]) if base else 0
    with saved(client, image.id) as content:
        for place in range(below, len(content.layer_names)):
            yield from _layer(content.layer(place), named)


def _layer(content: IO[bytes], named: Mapping[str, str]) -> Iterator[Finding]:
    with tarfile.open(fileobj=content) as files:
        for file in files:
            if file.isfile() and file.size <= LARGEST and not file.name.endswith(_JAR):
                inner = files.extractfile(file)
                if inner:
                    yield from scan_text(f"the image's /{file.name}", inner.read(), named)
