"""From a jar to an image of the local engine, with the same layers for the same jar."""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from docker import DockerClient
from docker.errors import APIError
from docker.models.images import Image as EngineImage

from deploy.artifact import transfer
from deploy.artifact.layers import LayerTar, Split, split_jar, write_layers
from deploy.values import labels
from deploy.values.build import Build, Image, Source
from deploy.values.errors import BuildError, InputError
from deploy.values.events import Stream
from deploy.values.reference import parse_reference
from deploy.values.settings import Settings

STEP = "image"
DOCKERFILE = Path("docker/app/Dockerfile")
LAUNCHER = "org.springframework.boot.loader.launch.JarLauncher"
"""The class that the Dockerfile starts as it is written: Spring Boot's since 3.2."""
CACHE = "jarship-build"
"""Local repository that marks what was built of which inputs; never pushed."""
KEPT = 10
"""How many images of an application stay in this engine: machines that build for years must not fill."""
FORMAT = 1
"""Raised when the tars change for the same jar."""
BUILD_SECONDS = 600
OCI = "org.opencontainers.image."


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that an image is made of, besides the jar's files."""

    dockerfile: str
    base: str
    """The base image's reference."""
    base_id: str
    platform: str
    labels: Mapping[str, str]
    jar_sha256: str
    repository: str
    """Path of the image in the registry; for people only."""
    application_time: int
    """See `write_layers`."""

    @property
    def key(self) -> str:
        """A hash of it: the same key means the same image."""
        content = {
            "format": FORMAT,
            "dockerfile": self.dockerfile,
            "base": self.base_id,
            "platform": self.platform,
            "labels": dict(self.labels),
            "jar": self.jar_sha256,
            "time": self.application_time,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The name that the image of this recipe has in the local engine."""
        return f"{CACHE}/{self.repository}:{self.key[:16]}"


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
    platform = settings.platform or engine_platform(client)
    base = transfer.ensure_image(
        client,
        settings.base_image,
        platform,
        auth=transfer.credentials_for(settings.base_image, settings),
        stream=stream,
        step=STEP,
    )
    split = split_jar(jar)
    if not split.indexed:
        stream.warning(
            "The jar has no layers index, so all of it is one layer, sent whole at each release. "
            "Spring Boot 2.4 and newer write one; older: layered() in bootJar, or <layers> in Maven.",
            step=STEP,
        )
    recipe = Recipe(
        dockerfile=(root / DOCKERFILE).read_text().replace(LAUNCHER, split.main_class),
        base=str(parse_reference(settings.base_image).pinned),
        base_id=base.id or "",
        platform=platform,
        labels=image_labels(build, settings.app_name),
        jar_sha256=build.jar.sha256,
        repository=settings.image,
        application_time=_application_time(build.source, split),
    )
    image = None if nocache else transfer.local_image(client, recipe.name)
    if image is None:
        image = _build(client, jar, split, recipe, stream, nocache=nocache)
    else:
        stream.note(f"Image {short(image.id)} is there already.", step=STEP, reused=True)
    return _with_image(build, image, settings.base_image)


def engine_platform(client: DockerClient) -> str:
    """The platform that the engine builds for unless told otherwise."""
    version = client.version()
    return f"{version['Os']}/{version['Arch']}"


def short(digest: str | None) -> str:
    """A digest or id as people read it."""
    return (digest or "").removeprefix("sha256:")[:12]


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


def _build(
    client: DockerClient, jar: Path, split: Split, recipe: Recipe, stream: Stream, *, nocache: bool
) -> EngineImage:
    with (
        stream.step(STEP, f"Build the image on {recipe.base} for {recipe.platform}"),
        tempfile.TemporaryDirectory(prefix="jarship-") as directory,
    ):
        tars = write_layers(jar, split, Path(directory), recipe.application_time)
        context = _context(recipe.dockerfile, tars, Path(directory) / "context.tar")
        with context.open("rb") as content:
            cached = _run_build(client, content, recipe, nocache=nocache)
    _tell_layers(tars, cached, stream)
    _forget_old(client, f"{CACHE}/{recipe.repository}")
    return client.images.get(recipe.name)


def _tell_layers(tars: tuple[LayerTar, ...], cached: frozenset[str], stream: Stream) -> None:
    layers = [
        {"name": tar.name, "bytes": tar.size, "reused": f"ADD {tar.name}.tar /" in cached} for tar in tars
    ]
    told = [
        f"{layer['name']} {_size(tar.size)} {'reused' if layer['reused'] else 'new'}"
        for tar, layer in zip(tars, layers, strict=True)
        if tar.size
    ]
    stream.note(f"Layers: {', '.join(told)}.", step=STEP, layers=layers)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _forget_old(client: DockerClient, repository: str) -> None:
    """Drop the names of all but the newest images; one that has another name, or a container, stays."""
    found = sorted(client.api.images(name=repository), key=lambda image: -image["Created"])
    for image in found[KEPT:]:
        for name in image["RepoTags"]:
            if name.startswith(f"{repository}:"):
                with suppress(APIError):  # Another job was faster, or a container uses it.
                    client.api.remove_image(name)


def _context(dockerfile: str, tars: tuple[LayerTar, ...], path: Path) -> Path:
    """The whole build context: the Dockerfile and the layers. Nothing else can get into the image."""
    with tarfile.open(path, "w") as context:
        member = tarfile.TarInfo("Dockerfile")
        member.size, member.mode = len(dockerfile.encode()), 0o644
        context.addfile(member, io.BytesIO(dockerfile.encode()))
        for tar in tars:
            with tar.path.open("rb") as content:
                member = tarfile.TarInfo(f"{tar.name}.tar")
                member.size, member.mode = tar.path.stat().st_size, 0o644
                context.addfile(member, content)
    return path


def _run_build(client: DockerClient, context: IO[bytes], recipe: Recipe, *, nocache: bool) -> frozenset[str]:
    """Let the engine build; the instructions that it took from its cache."""
    events: Iterator[dict[str, Any]] = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=recipe.name,
        nocache=nocache,
        rm=True,
        forcerm=True,
        timeout=BUILD_SECONDS,
        decode=True,
        platform=recipe.platform,
        buildargs={"BASE_IMAGE": recipe.base},
        labels=dict(recipe.labels),
    )
    return _read_build(events)


def _read_build(events: Iterator[dict[str, Any]]) -> frozenset[str]:
    lines: list[str] = []
    cached: set[str] = set()
    instruction = ""
    for event in events:
        words = (event.get("errorDetail") or {}).get("message") or event.get("error")
        if words:
            raise BuildError(
                "The image could not be built.",
                why=words.strip(),
                advice=f"Look at {DOCKERFILE}, BASE_IMAGE and the engine's space: docker system df",
                step=STEP,
                details=lines[-10:],
            )
        for line in filter(None, (event.get("stream") or "").splitlines()):
            lines.append(line)
            if line.startswith("Step "):
                instruction = line.partition(" : ")[2]
            elif line.strip() == "---> Using cache":
                cached.add(instruction)
    return frozenset(cached)


def _with_image(build: Build, image: EngineImage, base: str) -> Build:
    made = Image(
        id=image.id or "",
        diff_ids=tuple(image.attrs["RootFS"]["Layers"]),
        platform=transfer.platform_of(image),
        base=base,
    )
    if build.image == made:
        return build
    return build.model_copy(update={"image": made, "tag": "", "tag_given": False, "pushed": None})
