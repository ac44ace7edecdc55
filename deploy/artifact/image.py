"""From a jar to an image of the local engine, with the same layers for the same jar."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from docker import DockerClient
from docker.models.images import Image as EngineImage

from deploy.artifact import own_dockerfile as own
from deploy.artifact import shared_classes, transfer
from deploy.artifact.engine_build import (
    STEP,
    Bench,
    Given,
    Recipe,
    build_of_tars,
    take_or_build,
    tell_layers,
    told_of,
)
from deploy.artifact.layers import Split, split_jar, write_layers
from deploy.values import labels
from deploy.values.build import Build, Image, Source
from deploy.values.errors import InputError
from deploy.values.events import Stream
from deploy.values.reference import parse_reference
from deploy.values.settings import Settings

DOCKERFILE = Path("docker/app/Dockerfile")
LAUNCHER = "org.springframework.boot.loader.launch.JarLauncher"
"""The class that the Dockerfile starts as it is written: Spring Boot's since 3.2."""
OCI = "org.opencontainers.image."


@transfer.engine_failures(STEP)
def build_image(
    build: Build,
    settings: Settings,
    root: Path,
    client: DockerClient,
    stream: Stream,
    *,
    nocache: bool = False,
) -> Build:
    """Build the image of a build's jar, or take the one that is there for the same inputs.

    Args:
        root: the repository's root, to which the jar's path is relative.
        nocache: build every layer again.

    Returns:
        The build with its image; tag and push are dropped when they were another image's.

    Raises:
        InputError: the jar on disk is not the build's.
        BuildError: the base image is not to be had for the platform, or the engine cannot build.
    """
    jar = _jar_of(build, root)
    split = split_jar(jar)
    bench = Bench(settings=settings, root=root, client=client, stream=stream, nocache=nocache)
    images = []
    for platform in settings.platform or (engine_platform(client),):
        given = Given(
            build=build,
            jar=jar,
            platform=platform,
            labels=image_labels(build, settings.app_name),
            application_time=_application_time(build.source, split),
        )
        made, base = own.build_own(given, bench) if settings.dockerfile else _layered(given, split, bench)
        images.append(_image(made, base))
    return _with_images(build, images)


def _layered(given: Given, split: Split, bench: Bench) -> tuple[EngineImage, str]:
    """An image with a layer for each part of the jar, and its base."""
    settings, stream = bench.settings, bench.stream
    if settings.cds:
        shared_classes.refuse(given, engine_platform(bench.client))
    base, reference = _base(given, bench)
    if not split.indexed:
        stream.warning(
            "The jar has no layers index, so all of it is one layer, sent whole at each release. "
            "Spring Boot 2.4 and newer write one; older: layered() in bootJar, or <layers> in Maven.",
            step=STEP,
        )
    dockerfile = (bench.root / (shared_classes.DOCKERFILE if settings.cds else DOCKERFILE)).read_text()
    recipe = Recipe(
        dockerfile=dockerfile.replace(LAUNCHER, split.main_class),
        base=settings.base_image,
        base_id=base.id or "",
        platform=given.platform,
        labels=given.labels,
        jar_sha256=given.build.jar.sha256,
        repository=settings.image,
        application_time=given.application_time,
        arguments={"BASE_IMAGE": reference},
    )

    def build(directory: Path) -> None:
        if settings.cds:
            shared_classes.build(given, split, recipe, directory, bench)
            return
        tars = write_layers(given.jar, split, directory, recipe.application_time)
        tell_layers(told_of(tars, build_of_tars(tars, recipe, directory, bench)), stream)

    return take_or_build(bench, recipe, build), settings.base_image


def _base(given: Given, bench: Bench) -> tuple[EngineImage, str]:
    """The base image for a platform, and by which name the engine has it."""
    settings, several = bench.settings, len(bench.settings.platform) > 1
    fetch = transfer.ensure_beside if several else transfer.ensure_image
    base = fetch(
        bench.client,
        settings.base_image,
        given.platform,
        auth=transfer.credentials_for(settings.base_image, settings),
        stream=bench.stream,
        step=STEP,
    )
    if several:
        return base, transfer.name_beside(settings.base_image, given.platform)
    return base, str(parse_reference(settings.base_image).pinned)


def engine_platform(client: DockerClient) -> str:
    """The platform that the engine builds for unless told otherwise."""
    version = client.version()
    return f"{version['Os']}/{version['Arch']}"


def _jar_of(build: Build, root: Path) -> Path:
    jar = root / build.jar.path
    if not jar.is_file():
        raise InputError(f"The jar {build.jar.path} is gone.", advice="Build it: invoke jar", step=STEP)
    with jar.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != build.jar.sha256:
        raise InputError(
            f"The jar {build.jar.path} is not the one of this build.",
            why=f"its SHA-256 begins with {found[:12]}, the build's with {build.jar.sha256[:12]}",
            advice="Build it again: invoke jar",
            step=STEP,
        )
    return jar


def _application_time(source: Source, split: Split) -> int:
    # A commit's date is the same on every machine; what is built besides a commit is told apart by the jar.
    if source.committed_at and not source.dirty:
        return int(datetime.fromisoformat(source.committed_at).timestamp())
    return split.newest


def image_labels(build: Build, app: str) -> dict[str, str]:
    """What an image says of itself: OCI's annotations, and what a rollout must know of it."""
    source = build.source
    stated = {
        OCI + "title": app,
        OCI + "version": build.jar.version,
        OCI + "revision": source.commit + ("-dirty" if source.dirty else ""),
        OCI + "created": source.committed_at,
        labels.APP: app,
        labels.COMMIT: source.commit,
        labels.AUTHOR: source.author,
        labels.SUBJECT: source.subject,
        labels.HEALTH_PATH: "/actuator/health" if build.jar.actuator else "/",
        labels.BOOT_VERSION: build.jar.boot_version,
    }
    return {name: value for name, value in stated.items() if value}


def _image(image: EngineImage, base: str) -> Image:
    return Image(
        id=image.id or "",
        diff_ids=tuple(image.attrs["RootFS"]["Layers"]),
        platform=transfer.platform_of(image),
        base=base,
    )


def _with_images(build: Build, images: Sequence[Image]) -> Build:
    if build.images == tuple(images):
        return build
    first, *others = images
    changed = {"image": first, "others": tuple(others), "tag": "", "tag_given": False, "pushed": None}
    return build.model_copy(update=changed)
