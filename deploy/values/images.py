"""What an image is made of, what a host's engine has of it, and what a pull would therefore fetch. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer of an image."""

    diff_id: str
    """Digest of its content; how engines name it."""
    size: int
    """Bytes that come over the wire, compressed."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """An image that hosts are to have."""

    image: str
    """`registry/repository@digest`, as the hosts know the registry."""
    layers: tuple[Layer, ...]
    """Lowest first."""
    platform: str = ""
    """The one whose hosts get these layers; empty: every host."""


@dataclass(frozen=True, kw_only=True)
class Stock:
    """The images that an engine has."""

    chains: tuple[tuple[str, ...], ...] = ()
    """The diff IDs of each image's layers, lowest first."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """What a pull fetches, out of what the images consist of. An estimate: see `to_pull`."""

    size: int
    """Bytes, compressed."""
    layers: int
    whole_size: int
    whole_layers: int

    def __add__(self, other: "Download") -> "Download":
        return Download(
            size=self.size + other.size,
            layers=self.layers + other.layers,
            whole_size=self.whole_size + other.whole_size,
            whole_layers=self.whole_layers + other.whole_layers,
        )


def to_pull(contents: Iterable[Content], stock: Stock, platform: str) -> Download:
    """What an engine fetches when it pulls images one after the other.

    It skips a layer only when it has it above the very same layers, and fetches all from the first that it
    lacks (moby, distribution/xfer/download.go). An estimate in two ways: a layer that was loaded or built
    there instead of pulled is fetched all the same, and an engine with the containerd image store, which
    keeps layers by themselves, may fetch less.
    """
    chains = list(stock.chains)
    total = Download(size=0, layers=0, whole_size=0, whole_layers=0)
    for content in contents:
        if content.platform not in {"", platform}:
            continue
        chain = tuple(layer.diff_id for layer in content.layers)
        there = max((_common(chain, other) for other in chains), default=0)
        missing = content.layers[there:]
        total += Download(
            size=sum(layer.size for layer in missing),
            layers=len(missing),
            whole_size=sum(layer.size for layer in content.layers),
            whole_layers=len(content.layers),
        )
        chains.append(chain)
    return total


def _common(chain: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many layers two images share from the bottom."""
    shared = 0
    for mine, theirs in zip(chain, other, strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared
