"""What is stored in a registry by its HTTP API (OCI distribution specification 1.1, "Pushing").

Every function raises BuildError, naming the registry and the cause in its own words.
"""

import hashlib
from urllib.parse import urljoin

from deploy.registry import Registry


def check_writable(registry: Registry, repository: str) -> None:
    """Begin an upload and give it up, which tells what pushes to a repository fail of."""
    registry.write("DELETE", _begin(registry, repository), repository)


def put_blob(registry: Registry, repository: str, content: bytes) -> str:
    """Store a blob; its digest."""
    digest = _digest(content)
    where = _begin(registry, repository)
    where += ("&" if "?" in where else "?") + f"digest={digest}"
    kind = "application/octet-stream"
    response = registry.write("PUT", where, repository, content=content, media_type=kind)
    registry.check(response, f"to store the blob {digest}")
    return digest


def put_manifest(registry: Registry, repository: str, tag: str, content: bytes, media_type: str) -> str:
    """Store a manifest under a tag; its digest."""
    path = f"{repository}/manifests/{tag}"
    response = registry.write("PUT", path, repository, content=content, media_type=media_type)
    registry.check(response, f"to store the manifest {repository}:{tag}")
    return _digest(content)


def _begin(registry: Registry, repository: str) -> str:
    """Where an upload is to be sent; the answer may give it relatively."""
    response = registry.write("POST", f"{repository}/blobs/uploads/", repository)
    registry.check(response, f"an upload to {repository}")
    return urljoin(response.url, response.headers.get("Location", ""))


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
