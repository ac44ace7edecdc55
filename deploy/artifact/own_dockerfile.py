"""The image of a project that brings its own Dockerfile: as `docker build` makes it, the jar at hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.models.images import Image as EngineImage

from deploy.artifact import transfer
from deploy.artifact.context import Context, collect, jar_name, write_context
from deploy.artifact.dockerfile import SCRATCH, Dockerfile, Stage, advice, parse_dockerfile, running
from deploy.artifact.engine_build import (
    STEP,
    Bench,
    Built,
    Given,
    Recipe,
    Told,
    run_build,
    short,
    take_or_build,
    tell_layers,
)
from deploy.artifact.source import project_directory, source_directory
from deploy.values.errors import BuildError, InputError
from deploy.values.groups.image import ImageKeys
from deploy.values.reference import parse_reference
from deploy.values.settings import Settings

JAR_FILE = "JAR_FILE"
"""The build argument with the jar's path in the context, as Spring's own guide names it."""
BASE_IMAGE = "BASE_IMAGE"


@dataclass(frozen=True, kw_only=True)
class _Own:
    """A Dockerfile of a project."""

    path: str
    """In the project's directory."""
    project: Path
    text: str
    content: Dockerfile
    arguments: Mapping[str, str]


def build_own(given: Given, bench: Bench) -> tuple[EngineImage, str]:
    """Build the image by DOCKERFILE, or take the one that is there for the same inputs.

    The context is APP_DIR, less what .dockerignore names, what git ignores, and what holds settings or keys;
    the jar is in it where the build left it. Of the build arguments JAR_FILE is the jar's path there, and
    BASE_IMAGE, where it is set, what it says; each is given to a Dockerfile that declares it.

    Returns:
        The image, and the reference of the image that its last stage is built on.

    Raises:
        InputError: the Dockerfile is not there, or is none.
        BuildError: an image that it builds on is not to be had for the platform, a RUN would run programs of
            another platform, or the engine cannot build.
    """
    own = _read(given, bench)
    _refuse_foreign_programs(own, given, bench)
    bases = _bases(own, given, bench)
    base = own.content.final()[-1].base
    _advise(own, bases.get(base), bench)
    context = collect(
        source_directory(bench.settings, bench.root),
        own.project,
        given.build,
        given.jar,
        dockerfile=own.path,
        beside=JAR_FILE not in own.content.arguments,
    )
    _tell_left_out(context, bench)
    recipe = Recipe(
        dockerfile=own.text,
        base=base,
        base_id=" ".join(image.id or "" for image in bases.values()),
        platform=given.platform,
        labels=given.labels,
        jar_sha256=given.build.jar.sha256,
        repository=bench.settings.image,
        application_time=given.application_time,
        path=own.path,
        arguments=own.arguments,
        context=context.hash,
    )
    return take_or_build(bench, recipe, lambda folder: _build(folder, context, recipe, bench)), base


def _read(given: Given, bench: Bench) -> _Own:
    settings = bench.settings
    path = Path(settings.dockerfile or "")
    project = project_directory(settings, bench.root)
    try:
        text = (project / path).read_text(encoding="utf-8-sig")
        known = {JAR_FILE: jar_name(project, given.jar.resolve()), **_base_given(settings)}
        content = parse_dockerfile(text, known)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{settings.origins.get('DOCKERFILE', 'DOCKERFILE')}: {project / path} cannot be built by.",
            why=why,
            advice="Write DOCKERFILE as the path of a Dockerfile inside APP_DIR, or leave it out.",
            step=STEP,
        ) from error
    arguments = {name: value for name, value in known.items() if name in content.arguments}
    return _Own(path=path.as_posix(), project=project, text=text, content=content, arguments=arguments)


def _base_given(settings: Settings) -> dict[str, str]:
    """BASE_IMAGE, unless nobody set it: then the Dockerfile's own default is meant."""
    if settings.base_image == ImageKeys.model_fields["base_image"].default:
        return {}
    return {BASE_IMAGE: str(parse_reference(settings.base_image).pinned)}


def _refuse_foreign_programs(own: _Own, given: Given, bench: Bench) -> None:
    version = bench.client.version()
    here = f"{version['Os']}/{version['Arch']}"
    found = running(own.content, given.platform, here)
    if found:
        lines = ", ".join(str(one.line) for one in found)
        raise BuildError(
            f"{own.path} cannot be built here for {given.platform}: RUN would run programs of that platform.",
            why=f"This machine's engine is {here}; RUN is in line {lines}",
            advice=f"Take RUN out of what the image is made of (COPY and ADD build for any platform; a stage "
            f"that only prepares files: FROM --platform={here}), or build on a machine of {given.platform}.",
            step=STEP,
        )


def _bases(own: _Own, given: Given, bench: Bench) -> dict[str, EngineImage]:
    """The images that it builds on, brought here for their platform, as far as they can be told."""
    found: dict[str, EngineImage] = {}
    for stage in own.content.images():
        if _is_reference(stage):
            found[stage.base] = transfer.ensure_image(
                bench.client,
                stage.base,
                stage.platform or given.platform,
                auth=transfer.credentials_for(stage.base, bench.settings),
                stream=bench.stream,
                step=STEP,
            )
    return found


def _is_reference(stage: Stage) -> bool:
    try:
        return stage.base != SCRATCH and bool(parse_reference(stage.base))
    except ValueError:
        return False


def _advise(own: _Own, base: EngineImage | None, bench: Bench) -> None:
    user = str(base.attrs["Config"].get("User") or "") if base else ""
    for line in advice(own.content, base_user=user, run_as=bench.settings.run_as):
        bench.stream.warning(f"{own.path}, {line}.", step=STEP)


def _tell_left_out(context: Context, bench: Bench) -> None:
    if context.left_out:
        names = ", ".join(context.left_out)
        bench.stream.note(f"Kept from the build, as they hold settings or keys: {names}", step=STEP)


def _build(folder: Path, context: Context, recipe: Recipe, bench: Bench) -> None:
    packed = write_context(context, folder / "context.tar", recipe.application_time)
    with packed.open("rb") as content:
        built = run_build(bench.client, content, recipe, nocache=bench.nocache)
    tell_layers(_layers(bench, recipe, built), bench.stream)


def _layers(bench: Bench, recipe: Recipe, built: tuple[Built, ...]) -> list[Told]:
    """What the image's instructions added; engines that keep no images in between do not tell."""
    api: Any = bench.client.api  # its calls have no types
    history = api.history(recipe.name)
    sizes = {short(step["Id"]): step["Size"] for step in history}
    return [
        Told(name=one.instruction, size=sizes.get(one.image, 0), reused=one.cached)
        for one in built
        if not one.instruction.startswith("FROM ")
    ]
