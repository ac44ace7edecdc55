"""Image references, by the grammar of github.com/distribution/reference."""

import re
from dataclasses import dataclass, replace

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A repository in a registry, with a tag, a digest, both or neither."""

    registry: str
    """`host[:port]`; empty for Docker Hub and for images of the local engine only."""
    path: str
    """The repository's path, such as `team/app`."""
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """`registry/path`."""
        return f"{self.registry}/{self.path}" if self.registry else self.path

    @property
    def pinned(self) -> "Reference":
        """The same without the tag where a digest says it all; engines take both together not everywhere."""
        return replace(self, tag="") if self.digest else self

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Take an image reference apart.

    Raises:
        ValueError: the text does not fit the grammar; the message says which part.
    """
    rest, _, digest = text.partition("@")
    if digest and not DIGEST.fullmatch(digest):
        raise ValueError(f"invalid digest {digest!r}")
    rest, tag = _split_tag(rest)
    first, slash, remainder = rest.partition("/")
    names_registry = bool(slash) and (("." in first) or (":" in first) or first == "localhost")
    registry, path = (first, remainder) if names_registry else ("", rest)
    if registry and not REGISTRY.fullmatch(registry):
        raise ValueError(f"invalid registry {registry!r}")
    if path != path.lower():
        raise ValueError(f"repository {path!r} must be lowercase")
    if not PATH.fullmatch(path) or len(path) > 255:
        raise ValueError(f"invalid repository {path!r}")
    return Reference(registry=registry, path=path, tag=tag, digest=digest)


def _split_tag(text: str) -> tuple[str, str]:
    head, colon, tail = text.rpartition(":")
    if not colon or "/" in tail:
        return text, ""
    if not TAG.fullmatch(tail):
        raise ValueError(f"invalid tag {tail!r}")
    return head, tail


def split_host(registry: str) -> str:
    """The host of a registry's `host[:port]`, in lower case, without the brackets of an IPv6 address."""
    host = registry.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
