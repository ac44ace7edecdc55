"""An image as the engine saves it: its configuration and its layers, byte for byte."""

import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from docker import DockerClient


@dataclass(frozen=True, kw_only=True)
class SavedImage:
    """An image in an archive, by `manifest.json` of Docker's image specification 1.2."""

    archive: tarfile.TarFile
    config_name: str
    layer_names: tuple[str, ...]
    """Lowest first."""

    @property
    def config(self) -> bytes:
        """Its configuration; the hash of it is the image's id in engines that keep images as layers."""
        return _open(self.archive, self.config_name).read()

    def layer(self, place: int) -> IO[bytes]:
        """The tar of a layer, counted from the lowest."""
        return _open(self.archive, self.layer_names[place])


@contextmanager
def saved(client: DockerClient, image: str) -> Iterator[SavedImage]:
    """Save an image into a file that is gone afterwards; some seconds for some hundred megabytes."""
    with tempfile.TemporaryFile() as file:
        for chunk in client.images.get(image).save():
            file.write(chunk)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            (content, *_) = json.load(_open(archive, "manifest.json"))
            yield _read(archive, content)


def _read(archive: tarfile.TarFile, content: dict[str, Any]) -> SavedImage:
    return SavedImage(archive=archive, config_name=content["Config"], layer_names=tuple(content["Layers"]))


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    # Equal layers are links to the first of them, which this follows.
    content = archive.extractfile(name)
    if content is None:
        raise tarfile.ReadError(f"{name} is no file")
    return content
