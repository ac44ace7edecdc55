"""From the local engine to a digest in the registry, which is checked to hold all of it.

The comparison that keeps a tag's meaning lives here, since it asks the registry; `tag` alone works offline.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from docker import DockerClient
from docker.models.images import Image as EngineImage

from deploy.artifact import index, transfer
from deploy.artifact.engine_build import short
from deploy.artifact.place import STEP, Place, fingerprint_there, local_fingerprint, missing, send
from deploy.artifact.tag import with_suffix
from deploy.registry import open_registry
from deploy.values.build import Build, Pushed
from deploy.values.errors import BuildError, InputError
from deploy.values.events import Stream
from deploy.values.settings import Settings

Places = Sequence[Place]
"""The images of a build, one for each platform, on their way to one repository."""


@transfer.engine_failures(STEP)
def push(
    build: Build,
    settings: Settings,
    client: DockerClient,
    stream: Stream,
    *,
    patience: transfer.Patience = transfer.Patience(),  # noqa: B008 - frozen
) -> Build:
    """Bring a build's images and the proxy's to the registry; nothing is sent that is there.

    Several images, for several platforms, go by one digest: that of their index.

    Args:
        build: with images and tag.
        patience: when the registry counts as hanging or gone.

    Returns:
        The build with what the registry was seen to hold; its tag has grown a suffix where a computed tag
        stood for something else.

    Raises:
        InputError: an image is not in the local engine any more, or there is no tag.
        BuildError: the registry refused, hangs or misses a blob afterwards, or the given tag means another
            image.
    """
    images = _images_of(build, client)
    registry = open_registry(settings, client.info())
    registry.ping()
    app = [
        Place(
            client=client,
            registry=registry,
            stream=stream,
            repository=settings.image,
            image=image,
            platform=transfer.platform_of(image),
            settings=settings,
            patience=patience,
        )
        for image in images
    ]
    tag, digest = _settle_tag(app, build)
    digest = digest if digest and _complete(app, digest) else _send(app, tag)
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


def _images_of(build: Build, client: DockerClient) -> list[EngineImage]:
    images = [transfer.local_image(client, image.id) for image in build.images]
    there = [image for image in images if image]
    if not there or len(there) < len(images):
        raise InputError(
            "The build's image is not in this engine.", advice="Build it: invoke image", step=STEP
        )
    if not build.tag:
        raise InputError("The build has no tag.", advice="Give it one: invoke tag", step=STEP)
    return there


def _settle_tag(app: Places, build: Build) -> tuple[str, str | None]:
    """The tag to push to, and the digest when the registry has the very images there."""
    suffix = _suffix(app)
    if build.tag.endswith(f"-{suffix}") or build.tag_given:
        candidates = [build.tag]
    else:
        candidates = [build.tag, with_suffix(build.tag, suffix)]
    registry, repository = app[0].registry, app[0].repository
    for tag in candidates:
        digest = registry.digest(repository, tag)
        if digest is None:
            return tag, None
        if _are_there(app, digest):
            return tag, digest
        app[0].stream.note(f"The tag {tag} stands for another image already.", step=STEP)
    raise BuildError(
        f"The tag {build.tag} of {repository} stands for another image in {registry.address}.",
        why="a tag never changes its meaning here, so that what runs can be told by it",
        advice="Choose another one, or leave --tag out for a computed one: invoke tag",
        step=STEP,
    )


def _suffix(app: Places) -> str:
    """What tells images from all others of one tag."""
    own = [local_fingerprint(place.image) for place in app]
    return own[0][:8] if len(own) == 1 else hashlib.sha256(" ".join(own).encode()).hexdigest()[:8]


def _are_there(app: Places, digest: str) -> bool:
    """Whether a digest of the registry stands for just these images."""
    manifest = app[0].registry.manifest(app[0].repository, digest)
    wanted = {place.platform for place in app}
    if len(app) > 1 and not (manifest.is_index and manifest.platforms.keys() == wanted):
        return False
    return all(fingerprint_there(place, digest) == local_fingerprint(place.image) for place in app)


def _complete(places: Places, digest: str) -> bool:
    return not any(missing(place, digest) for place in places)


def _send(places: Places, tag: str) -> str:
    return send(places[0], tag) if len(places) == 1 else index.send(places, tag)


def _copy_proxy(app: Places) -> tuple[str, str]:
    """Bring PROXY_IMAGE to the registry, under a tag that is its own content's; repository and digest."""
    fetch = transfer.ensure_image if len(app) == 1 else transfer.ensure_beside
    proxies = []
    for place in app:
        settings = place.settings
        image = fetch(
            place.client,
            settings.proxy_image,
            place.platform,
            auth=transfer.credentials_for(settings.proxy_image, settings),
            stream=place.stream,
            step=STEP,
        )
        proxies.append(replace(place, repository=f"{settings.image}-proxy", image=image))
    ids = [str(place.image.id) for place in proxies]
    tag = short(ids[0] if len(ids) == 1 else hashlib.sha256(" ".join(ids).encode()).hexdigest())
    registry, repository = proxies[0].registry, proxies[0].repository
    digest = registry.digest(repository, tag)
    return repository, digest if digest and _complete(proxies, digest) else _send(proxies, tag)
