"""What a registry keeps of an image, as OCI's image specification and Docker's schema 2 have it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A blob as a manifest names it."""

    digest: str
    size: int
    """Bytes as stored, compressed."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """An image's manifest, or an index of several for different platforms."""

    media_type: str
    digest: str
    """SHA-256 of the bytes that came, so it holds even if the registry's header lies."""
    content: Mapping[str, Any]
    size: int = 0
    """Bytes."""

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests instead of layers."""
        return self.media_type in INDEXES or "manifests" in self.content

    @property
    def config(self) -> Blob:
        """The image's configuration."""
        return _blob(self.content["config"])

    @property
    def layers(self) -> tuple[Blob, ...]:
        """The image's layers, lowest first: one for each diff ID of its configuration."""
        return tuple(_blob(layer) for layer in self.content["layers"])

    @property
    def platforms(self) -> Mapping[str, str]:
        """Of an index: `os/architecture` -> digest of its manifest."""
        found: dict[str, str] = {}
        for entry in self.content["manifests"]:
            platform = entry.get("platform", {})
            name = f"{platform.get('os')}/{platform.get('architecture')}"
            found.setdefault(name, entry["digest"])
        return found


def _blob(entry: Mapping[str, Any]) -> Blob:
    return Blob(digest=entry["digest"], size=entry["size"])
