"""The files that a project's own Dockerfile put into an image, searched for secrets."""

import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

from docker import DockerClient

from deploy.artifact import transfer
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
    base = transfer.local_image(client, image.base) if image.base != "scratch" else None
    below = len(base.attrs["RootFS"]["Layers"]) if base else 0
    with tempfile.TemporaryFile() as file:
        for chunk in client.images.get(image.id).save():
            file.write(chunk)
        file.seek(0)
        with tarfile.open(fileobj=file) as saved:
            for layer in _layers(saved)[below:]:
                yield from _layer(_member(saved, layer), named)


def _layers(saved: tarfile.TarFile) -> list[str]:
    """The layers of a saved image, lowest first: `manifest.json` of Docker's image specification 1.2."""
    manifest: list[dict[str, Any]] = json.load(_member(saved, "manifest.json"))
    return list(manifest[0]["Layers"])


def _member(saved: tarfile.TarFile, name: str) -> IO[bytes]:
    member = saved.getmember(name)
    # Equal layers are links to the first of them.
    content = saved.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f"{name} is no file")
    return content


def _layer(content: IO[bytes], named: Mapping[str, str]) -> Iterator[Finding]:
    with tarfile.open(fileobj=content) as files:
        for file in files:
            if file.isfile() and file.size <= LARGEST and not file.name.endswith(_JAR):
                inner = files.extractfile(file)
                if inner:
                    yield from scan_text(f"the image's /{file.name}", inner.read(), named)
