"""One image on its way to one repository: sent by what is missing there, then seen to be there whole."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from docker import DockerClient
from docker.models.images import Image as EngineImage

from deploy.artifact import transfer
from deploy.artifact.carry import Carried, carry
from deploy.artifact.engine_build import short
from deploy.registry import Registry
from deploy.uploads import check_writable
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from deploy.values.manifest import Manifest
from deploy.values.settings import Settings

STEP = "push"
# What a container's behaviour comes from. `Image`, `Hostname` and the like are the build's own traces.
_COMPARED = (
    "User", "Env", "Entrypoint", "Cmd", "WorkingDir", "ExposedPorts", "Volumes", "Labels", "StopSignal",
    "Healthcheck", "Shell", "OnBuild",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Place:
    """One image on its way to one repository."""

    client: DockerClient
    registry: Registry
    stream: Stream
    repository: str
    image: EngineImage
    platform: str
    """`os/architecture` of the image."""
    settings: Settings
    patience: transfer.Patience


def fingerprint(config: Mapping[str, Any], diff_ids: tuple[str, ...], platform: str) -> str:
    """A hash of all that makes an image behave as it does: its layers and configuration, no times.

    Args:
        config: the `config` of an image's configuration, or the `Config` of the engine's `inspect`.
    """
    behaviour = {key: config[key] for key in _COMPARED if config.get(key)}
    content = {"config": behaviour, "layers": diff_ids, "platform": platform}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def local_fingerprint(image: EngineImage) -> str:
    """The fingerprint of an image of the engine."""
    attrs = image.attrs
    return fingerprint(attrs["Config"], tuple(attrs["RootFS"]["Layers"]), transfer.platform_of(image))


def fingerprint_there(place: Place, digest: str) -> str:
    """The fingerprint of an image of the registry; of an index, of its image for the place's platform.

    Raises:
        BuildError: the index has none, or the registry cannot give it.
    """
    manifest = place.registry.image_manifest(place.repository, digest, place.platform)
    config = place.registry.config(place.repository, manifest.config.digest)
    platform = f"{config.get('os')}/{config.get('architecture')}"
    return fingerprint(config.get("config") or {}, tuple(config["rootfs"]["diff_ids"]), platform)


def send(place: Place, tag: str) -> str:
    """Push an image, and see that the registry has all of it; its digest there."""
    address, repository = place.registry.address, place.repository
    with place.stream.step(STEP, f"Push {address}/{repository}:{tag}"):
        carried = _carry(place, tag)
        progress, told = (transfer.Progress(), carried.digest) if carried else _let_engine_push(place, tag)
    digest = _checked_digest(place, tag, told)
    if carried:
        _tell(place, reused=carried.reused, sent=len(carried.sent), size=sum(carried.sent))
    else:
        _tell_sent(place, progress, place.registry.image_manifest(repository, digest, place.platform))
    return digest


def _carry(place: Place, tag: str) -> Carried | None:
    try:
        return carry(place.client, place.registry, place.repository, tag, place.image)
    except BuildError as error:
        # The engine may know better; if not, it is told why when it fails too.
        place.stream.note(f"{error.what} ({error.why}) So the engine pushes all of it.", step=STEP)
        return None


def _let_engine_push(place: Place, tag: str) -> tuple[transfer.Progress, str]:
    """What was sent, and the digest that the engine reports."""
    name = f"{place.registry.address}/{place.repository}"
    place.image.tag(name, tag)
    pushed = transfer.push(
        place.client,
        name,
        tag,
        auth=transfer.credentials_for(name, place.settings),
        check=lambda: check_writable(place.registry, place.repository),
        stream=place.stream,
        patience=place.patience,
    )
    _untag(place, f"{name}:{tag}")
    return pushed


def _checked_digest(place: Place, tag: str, told: str) -> str:
    """The digest of what was pushed; every blob of it can be read."""
    address, repository = place.registry.address, place.repository
    digest = place.registry.digest(repository, told or tag)
    if digest is None:
        raise BuildError(
            f"The registry {address} does not have {repository}:{tag} after its push.",
            advice="Is it cleaning up at the moment? Push again: invoke push",
            step=STEP,
        )
    gone = missing(place, digest)
    if gone:
        raise BuildError(
            f"The registry {address} misses {len(gone)} blobs of {repository}:{tag} after its push.",
            why=", ".join(gone),
            advice="A garbage collection ran meanwhile, or before without a restart of the registry. "
            "Restart the registry, then: invoke push",
            step=STEP,
        )
    return digest


def _untag(place: Place, name: str) -> None:
    """Take the registry's name from the local image again: it has its own, and names would pile up."""
    place.image.reload()
    if [tag for tag in place.image.tags if tag != name]:
        place.client.images.remove(name, noprune=True)


def missing(place: Place, digest: str) -> tuple[str, ...]:
    """The blobs of an image that the registry cannot give."""
    manifest = place.registry.image_manifest(place.repository, digest, place.platform)
    blobs = tuple(dict.fromkeys(blob.digest for blob in (manifest.config, *manifest.layers)))
    with ThreadPoolExecutor(4) as pool:
        there = pool.map(lambda blob: place.registry.blob_exists(place.repository, blob), blobs)
        return tuple(blob for blob, found in zip(blobs, there, strict=True) if not found)


def _tell_sent(place: Place, progress: transfer.Progress, manifest: Manifest) -> None:
    """Say what was sent. The engine counts bytes before compression; the manifest knows them as they went."""
    # Layers go by their diff IDs; engines that keep images in containerd call them by their blobs.
    diff_ids = place.image.attrs["RootFS"]["Layers"]
    sizes = {short(blob.digest): blob.size for blob in manifest.layers}
    sizes |= {short(diff_id): blob.size for diff_id, blob in zip(diff_ids, manifest.layers, strict=False)}
    size = sum(sizes.get(layer, 0) for layer in progress.sent)
    _tell(place, reused=len(progress.there), sent=len(progress.sent), size=size)


def _tell(place: Place, *, reused: int, sent: int, size: int) -> None:
    place.stream.note(
        f"{place.repository}: {reused} layers reused, {sent} sent, {size:,} bytes",
        step=STEP,
        reused=reused,
        sent=sent,
        bytes=size,
    )
