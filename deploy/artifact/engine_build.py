"""What an image is built of, and its build by the engine; the same for every Dockerfile."""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from docker import DockerClient
from docker.errors import APIError
from docker.models.images import Image as EngineImage

from deploy.artifact import transfer
from deploy.artifact.layers import LayerTar
from deploy.values.build import Build
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from deploy.values.settings import Settings

STEP = "image"
CACHE = "jarship-build"
"""Local repository that marks what was built of which inputs; never pushed."""
KEPT = 10
"""How many images of an application stay in this engine: machines that build for years must not fill."""
FORMAT = 1
"""Raised when the tars change for the same jar."""
BUILD_SECONDS = 600
_CACHED = "---> Using cache"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that an image is made of, besides the jar's files."""

    dockerfile: str
    """Its content."""
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
    path: str = "Dockerfile"
    """The Dockerfile's, in the build context."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Build arguments; what they say of the base does not count beside its id."""
    context: str = ""
    """Hash of what else the Dockerfile may take."""

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
            "context": self.context,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The name that the image of this recipe has in the local engine."""
        return f"{CACHE}/{self.repository}:{self.key[:16]}"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What goes into an image, whichever Dockerfile it is built by."""

    build: Build
    jar: Path
    platform: str
    labels: Mapping[str, str]
    application_time: int


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where and how an image is built."""

    settings: Settings
    root: Path
    """This repository's."""
    client: DockerClient
    stream: Stream
    nocache: bool
    """Build every layer again."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A layer as it is told of."""

    name: str
    size: int
    """Bytes of its files."""
    reused: bool


@dataclass(frozen=True, kw_only=True)
class Built:
    """One instruction, as the engine carried it out."""

    instruction: str
    cached: bool = False
    image: str = ""
    """Short id of the image that it made."""


def take_or_build(bench: Bench, recipe: Recipe, build: Callable[[Path], None]) -> EngineImage:
    """The image of a recipe: the one that is there, or a new one.

    Args:
        bench: where it is built.
        recipe: what of.
        build: builds it, with a directory for what it needs on the way.
    """
    there = None if bench.nocache else transfer.local_image(bench.client, recipe.name)
    if there:
        bench.stream.note(f"Image {short(there.id)} is there already.", step=STEP, reused=True)
        return there
    with (
        bench.stream.step(STEP, f"Build the image on {recipe.base} for {recipe.platform}"),
        tempfile.TemporaryDirectory(prefix="jarship-") as directory,
    ):
        build(Path(directory))
    _forget_old(bench.client, recipe)
    return bench.client.images.get(recipe.name)


def build_of_tars(
    tars: Sequence[LayerTar], recipe: Recipe, directory: Path, bench: Bench
) -> tuple[Built, ...]:
    """Build an image of tars alone, which its Dockerfile adds by their names; as `run_build` does.

    Args:
        tars: the layers.
        recipe: what the image is made of.
        directory: an existing one, for the context.
        bench: where it is built.
    """
    with _context(recipe.dockerfile, tars, directory / "context.tar").open("rb") as context:
        return run_build(bench.client, context, recipe, nocache=bench.nocache)


def _context(dockerfile: str, tars: Iterable[LayerTar], path: Path) -> Path:
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


def told_of(tars: Iterable[LayerTar], built: Iterable[Built]) -> list[Told]:
    """What is to be told of layers that were tars."""
    cached = {one.instruction for one in built if one.cached}
    return [Told(name=tar.name, size=tar.size, reused=f"ADD {tar.name}.tar /" in cached) for tar in tars]


def run_build(
    client: DockerClient, context: IO[bytes], recipe: Recipe, *, nocache: bool
) -> tuple[Built, ...]:
    """Let the engine build; what it did, instruction by instruction.

    Raises:
        BuildError: it could not; with its last lines.
    """
    try:
        events: Iterator[dict[str, Any]] = client.api.build(
            fileobj=context,
            custom_context=True,
            dockerfile=recipe.path,
            tag=recipe.name,
            nocache=nocache,
            rm=True,
            forcerm=True,
            timeout=BUILD_SECONDS,
            decode=True,
            platform=recipe.platform,
            buildargs=dict(recipe.arguments),
            labels=dict(recipe.labels),
        )
        return read_build(events)
    except APIError as error:
        if not error.is_client_error():
            raise
        raise _failure(str(error.explanation or error)) from error  # what it cannot read it says at once


def read_build(events: Iterator[dict[str, Any]]) -> tuple[Built, ...]:
    """What a build's events tell.

    Raises:
        BuildError: one of them is an error.
    """
    lines: list[str] = []
    built: list[Built] = []
    cached = False
    for event in events:
        words = (event.get("errorDetail") or {}).get("message") or event.get("error")
        if words:
            raise _failure(words, lines[-10:])
        for line in filter(None, (event.get("stream") or "").splitlines()):
            lines.append(line)
            if line.startswith("Step "):
                built.append(Built(instruction=line.partition(" : ")[2]))
                cached = False
            elif line.strip() == _CACHED:
                cached = True
            elif built and line.startswith(" ---> ") and len(line.split()) == 2:
                built[-1] = Built(instruction=built[-1].instruction, cached=cached, image=line.split()[1])
    return tuple(built)


def _failure(words: str, details: Sequence[str] = ()) -> BuildError:
    return BuildError(
        "The image could not be built.",
        why=words.strip(),
        advice=_advice(words),
        step=STEP,
        details=details,
    )


def _advice(words: str) -> str:
    if "BuildKit" in words or "unknown instruction" in words:
        return "Write it without what only BuildKit knows (--mount, --chmod, <<); the engine itself builds."
    if "no source files" in words or "not found in build context" in words or "COPY failed" in words:
        return (
            "What is there: the jar, and the files of APP_DIR that neither git nor .dockerignore ignores, "
            "but for settings and keys."
        )
    return "Look at the Dockerfile, BASE_IMAGE and the engine's space: docker system df"


def _forget_old(client: DockerClient, recipe: Recipe) -> None:
    """Drop the names of all but the newest images; one that has another name, or a container, stays."""
    repository = f"{CACHE}/{recipe.repository}"
    found = sorted(client.api.images(name=repository), key=lambda image: -image["Created"])
    for image in found[KEPT:]:
        for name in image["RepoTags"]:
            if name.startswith(f"{repository}:"):
                with suppress(APIError):  # Another job was faster, or a container uses it.
                    client.api.remove_image(name)


def tell_layers(layers: Sequence[Told], stream: Stream) -> None:
    """Say which layers were there, which are new, and how large they are."""
    told = [
        f"{layer.name} {_size(layer.size)} {'reused' if layer.reused else 'new'}"
        for layer in layers
        if layer.size
    ]
    data = [{"name": layer.name, "bytes": layer.size, "reused": layer.reused} for layer in layers]
    stream.note(f"Layers: {', '.join(told)}.", step=STEP, layers=data)


def short(digest: str | None) -> str:
    """A digest or id as people read it."""
    return (digest or "").removeprefix("sha256:")[:12]


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
