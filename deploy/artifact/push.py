"""From the local engine to a digest in the registry, which is checked to hold all of it.

The comparison that keeps a tag's meaning lives here, since it asks the registry; `tag` alone works offline.
"""

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
from deploy.artifact.tag import with_suffix
from deploy.registry import Registry, open_registry
from deploy.uploads import check_writable
from deploy.values.build import Build, Image, Pushed
from deploy.values.errors import BuildError, InputError
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
class _Place:
    """One image on its way to one repository."""

    client: DockerClient
    registry: Registry
    stream: Stream
    repository: str
    image: EngineImage
    platform: str
    settings: Settings
    patience: transfer.Patience


@transfer.engine_failures(STEP)
def push(
    build: Build,
    settings: Settings,
    client: DockerClient,
    stream: Stream,
    *,
    patience: transfer.Patience = transfer.Patience(),  # noqa: B008 - frozen
) -> Build:
    """Bring a build's image and the proxy's to the registry; nothing is sent that is there.

    Args:
        build: with image and tag.
        patience: when the registry counts as hanging or gone.

    Returns:
        The build with what the registry was seen to hold; its tag has grown a suffix where a computed tag
        stood for something else.

    Raises:
        InputError: the image is not in the local engine any more, or there is no tag.
        BuildError: the registry refused, hangs or misses a blob afterwards, or the given tag means another
            image.
    """
    made, image = _image_of(build, client)
    registry = open_registry(settings, client.info())
    registry.ping()
    app = _Place(
        client=client,
        registry=registry,
        stream=stream,
        repository=settings.image,
        image=image,
        platform=made.platform,
        settings=settings,
        patience=patience,
    )
    tag, digest = _settle_tag(app, build)
    digest = digest if digest and not _missing(app, digest) else _send(app, tag)
    proxy_repository, proxy_digest = _copy_proxy(app)
    pushed = Pushed(
        registry=settings.registry,
        repository=settings.image,
        tag=tag,
        digest=digest,
        proxy_repository=proxy_repository,
        proxy_digest=proxy_digest,
    )
    stream.note(f"{settings.registry}/{settings.image}:{tag} is {digest}", step=STEP, digest=digest)
    return build.model_copy(update={"tag": tag, "pushed": pushed})


def fingerprint(config: Mapping[str, Any], diff_ids: tuple[str, ...], platform: str) -> str:
    """A hash of all that makes an image behave as it does: its layers and configuration, no times.

    Args:
        config: the `config` of an image's configuration, or the `Config` of the engine's `inspect`.
    """
    behaviour = {key: config[key] for key in _COMPARED if config.get(key)}
    content = {"config": behaviour, "layers": diff_ids, "platform": platform}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _image_of(build: Build, client: DockerClient) -> tuple[Image, EngineImage]:
    image = transfer.local_image(client, build.image.id) if build.image else None
    if build.image is None or image is None:
        raise InputError(
            "The build's image is not in this engine.", advice="Build it: invoke image", step=STEP
        )
    if not build.tag:
        raise InputError("The build has no tag.", advice="Give it one: invoke tag", step=STEP)
    return build.image, image


def _settle_tag(app: _Place, build: Build) -> tuple[str, str | None]:
    """The tag to push to, and the digest when the registry has the very image there."""
    own = _local_fingerprint(app.image)
    suffix = own[:8]
    if build.tag.endswith(f"-{suffix}") or build.tag_given:
        candidates = [build.tag]
    else:
        candidates = [build.tag, with_suffix(build.tag, suffix)]
    for tag in candidates:
        digest = app.registry.digest(app.repository, tag)
        if digest is None:
            return tag, None
        if _fingerprint_there(app, digest) == own:
            return tag, digest
        app.stream.note(f"The tag {tag} stands for another image already.", step=STEP)
    raise BuildError(
        f"The tag {build.tag} of {app.repository} stands for another image in {app.registry.address}.",
        why="a tag never changes its meaning here, so that what runs can be told by it",
        advice="Choose another one, or leave --tag out for a computed one: invoke tag",
        step=STEP,
    )


def _local_fingerprint(image: EngineImage) -> str:
    attrs = image.attrs
    return fingerprint(attrs["Config"], tuple(attrs["RootFS"]["Layers"]), transfer.platform_of(image))


def _fingerprint_there(app: _Place, digest: str) -> str:
    manifest = app.registry.image_manifest(app.repository, digest, app.platform)
    config = app.registry.config(app.repository, manifest.config.digest)
    platform = f"{config.get('os')}/{config.get('architecture')}"
    return fingerprint(config.get("config") or {}, tuple(config["rootfs"]["diff_ids"]), platform)


def _send(place: _Place, tag: str) -> str:
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


def _carry(place: _Place, tag: str) -> Carried | None:
    try:
        return carry(place.client, place.registry, place.repository, tag, place.image)
    except BuildError as error:
        # The engine may know better; if not, it is told why when it fails too.
        place.stream.note(f"{error.what} ({error.why}) So the engine pushes all of it.", step=STEP)
        return None


def _let_engine_push(place: _Place, tag: str) -> tuple[transfer.Progress, str]:
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


def _checked_digest(place: _Place, tag: str, told: str) -> str:
    """The digest of what was pushed; every blob of it can be read."""
    address, repository = place.registry.address, place.repository
    digest = place.registry.digest(repository, told or tag)
    if digest is None:
        raise BuildError(
            f"The registry {address} does not have {repository}:{tag} after its push.",
            advice="Is it cleaning up at the moment? Push again: invoke push",
            step=STEP,
        )
    missing = _missing(place, digest)
    if missing:
        raise BuildError(
            f"The registry {address} misses {len(missing)} blobs of {repository}:{tag} after its push.",
            why=", ".join(missing),
            advice="A garbage collection ran meanwhile, or before without a restart of the registry. "
            "Restart the registry, then: invoke push",
            step=STEP,
        )
    return digest


def _untag(place: _Place, name: str) -> None:
    """Take the registry's name from the local image again: it has its own, and names would pile up."""
    place.image.reload()
    if [tag for tag in place.image.tags if tag != name]:
        place.client.images.remove(name, noprune=True)


def _missing(place: _Place, digest: str) -> tuple[str, ...]:
    """The blobs of an image that the registry cannot give."""
    manifest = place.registry.image_manifest(place.repository, digest, place.platform)
    blobs = tuple(dict.fromkeys(blob.digest for blob in (manifest.config, *manifest.layers)))
    with ThreadPoolExecutor(4) as pool:
        there = pool.map(lambda blob: place.registry.blob_exists(place.repository, blob), blobs)
        return tuple(blob for blob, found in zip(blobs, there, strict=True) if not found)


def _tell_sent(place: _Place, progress: transfer.Progress, manifest: Manifest) -> None:
    """Say what was sent. The engine counts bytes before compression; the manifest knows them as they went."""
    # Layers go by their diff IDs; engines that keep images in containerd call them by their blobs.
    diff_ids = place.image.attrs["RootFS"]["Layers"]
    sizes = {short(blob.digest): blob.size for blob in manifest.layers}
    sizes |= {short(diff_id): blob.size for diff_id, blob in zip(diff_ids, manifest.layers, strict=False)}
    size = sum(sizes.get(layer, 0) for layer in progress.sent)
    _tell(place, reused=len(progress.there), sent=len(progress.sent), size=size)


def _tell(place: _Place, *, reused: int, sent: int, size: int) -> None:
    place.stream.note(
        f"{place.repository}: {reused} layers reused, {sent} sent, {size:,} bytes",
        step=STEP,
        reused=reused,
        sent=sent,
        bytes=size,
    )


def _copy_proxy(app: _Place) -> tuple[str, str]:
    """Bring PROXY_IMAGE to the registry, under a tag that is its own content's; repository and digest."""
    settings = app.settings
    image = transfer.ensure_image(
        app.client,
        settings.proxy_image,
        app.platform,
        auth=transfer.credentials_for(settings.proxy_image, settings),
        stream=app.stream,
        step=STEP,
    )
    proxy = _Place(
        client=app.client,
        registry=app.registry,
        stream=app.stream,
        repository=f"{settings.image}-proxy",
        image=image,
        platform=app.platform,
        settings=settings,
        patience=app.patience,
    )
    tag = short(image.id)
    digest = app.registry.digest(proxy.repository, tag)
    return proxy.repository, digest if digest and not _missing(proxy, digest) else _send(proxy, tag)
