"""Class data of an application, read once while its image is built: what Java maps into memory, not parses.

The application runs once in a container of its own image, as far as Spring's context goes (Spring Framework
6.1 ends there when told, Spring Boot 3.2 has it), and Java writes down what classes it loaded
(`-XX:ArchiveClassesAtExit`). The data are the image's last layer, so that all others stay shared.
"""

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container
from requests.exceptions import ConnectionError as NotConnected
from requests.exceptions import ReadTimeout

from deploy.artifact.boot_jar import read_boot_jar
from deploy.artifact.engine_build import STEP, Bench, Given, Recipe, build_of_tars, tell_layers, told_of
from deploy.artifact.flat import JAR, write_flat
from deploy.artifact.layers import APP_DIRECTORY, FIXED_TIME, Content, LayerTar, Split, write_layer
from deploy.values.errors import BuildError

DOCKERFILE = Path("docker/app/cds.Dockerfile")
LAYER = "cds"
ARCHIVE = "app.jsa"
PROFILE = "cds"
"""The Spring profile of the run, for what an application must leave out then."""
RUN_SECONDS = 300
_WRITTEN = f"/home/app/{ARCHIVE}"
_OLDEST = (3, 2)
_LINES = 15
_RUN = (
    "java",
    # Else it says of each class that has no place in the data why, after all that the application said.
    "-Xlog:disable",
    "-Xlog:all=error",
    f"-XX:ArchiveClassesAtExit={_WRITTEN}",
    "-Dspring.context.exit=onRefresh",
)


def refuse(given: Given, here: str) -> None:
    """Refuse what cannot be run for its class data.

    Args:
        given: what goes into the image.
        here: the platform of the engine that builds.

    Raises:
        BuildError: the jar is too old or not started the ordinary way, or the image is for another platform.
    """
    why = _unfit(given, here)
    if why:
        raise BuildError(
            "CDS=true: the application cannot be run for its class data.",
            why=why,
            advice="Remove CDS; the image is then built without class data.",
            step=STEP,
        )


def _unfit(given: Given, here: str) -> str:
    jar = read_boot_jar(given.jar)
    version = tuple(int(part) for part in jar.boot_version.split(".")[:2] if part.isdecimal())
    if version < _OLDEST:
        return f"it takes Spring Boot 3.2 or newer, and the jar has {jar.boot_version or 'no version'}"
    if jar.launcher != "Jar" or not jar.start_class:
        return "its class path is told when it starts: its launcher is not JarLauncher"
    if given.platform != here:
        return f"the image is for {given.platform}, and this machine's engine runs {here}"
    return ""


def build(given: Given, split: Split, recipe: Recipe, directory: Path, bench: Bench) -> None:
    """Build the image without class data, run it for them, and build it with them.

    Raises:
        BuildError: the application does not start without settings, or its Java writes no class data.
    """
    tars = write_flat(given.jar, split, directory, recipe.application_time)
    bare = replace(recipe, context="without class data")
    told = told_of(tars, build_of_tars([*tars, _write_data({}, directory)], bare, directory, bench))
    try:
        with bench.stream.step(LAYER, "Run the application once, for its class data"):
            data = _learn(bare, directory, bench.client)
        last = _write_data({ARCHIVE: data}, directory)
        built = build_of_tars([*tars, last], recipe, directory, replace(bench, nocache=False))
        tell_layers([*told, *told_of([last], built)], bench.stream)
    finally:
        bench.client.api.remove_image(bare.name)


def _write_data(files: dict[str, Content], directory: Path) -> LayerTar:
    return write_layer(files, directory / f"{LAYER}.tar", FIXED_TIME)


def _learn(bare: Recipe, directory: Path, client: DockerClient) -> Content:
    """Let the application run, and take what Java wrote out of its container."""
    with _started(bare, client) as container:
        code = _end_of(container)
        file = directory / ARCHIVE
        if code == 0 and _take(container, file):
            return Content(size=file.stat().st_size, open=lambda: file.open("rb"))
        said = container.logs().decode(errors="replace").splitlines()
    if code:
        raise _failure(f"it ended with {code} before its context was there", said)
    raise _failure(
        "Java wrote no class data; it takes JDK 13 or newer with its own archive (classes.jsa)", said
    )


@contextmanager
def _started(bare: Recipe, client: DockerClient) -> Iterator[Container]:
    """The application, started with neither settings nor secrets nor network: the data go to every host."""
    container = client.containers.create(
        bare.name,
        entrypoint=[*_RUN, "-jar", f"/{APP_DIRECTORY}/{JAR}"],
        environment={"PROFILE": PROFILE},
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
    )
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)


def _end_of(container: Container) -> int:
    try:
        return int(container.wait(timeout=RUN_SECONDS)["StatusCode"])
    except (ReadTimeout, NotConnected):
        said = container.logs(tail=_LINES).decode(errors="replace").splitlines()
        raise _failure(f"it had not ended {RUN_SECONDS} s after its start", said) from None


def _take(container: Container, file: Path) -> bool:
    """Copy the class data out; False when there are none."""
    try:
        chunks, _ = container.get_archive(_WRITTEN)
    except NotFound:
        return False
    with tempfile.TemporaryFile() as packed:
        packed.writelines(chunks)
        packed.seek(0)
        with tarfile.open(fileobj=packed) as tar, _member(tar) as content, file.open("wb") as written:
            shutil.copyfileobj(content, written)
    return True


def _member(tar: tarfile.TarFile) -> IO[bytes]:
    content = tar.extractfile(ARCHIVE)
    if content is None:
        raise tarfile.ReadError(f"{ARCHIVE} is no file")
    return content


def _failure(why: str, said: list[str]) -> BuildError:
    return BuildError(
        "CDS=true: the application could not be run for its class data.",
        why=why,
        advice=f"It runs without settings, secrets and network, in the Spring profile {PROFILE}: leave out "
        f"there what it cannot do so, in application-{PROFILE}.yml; or remove CDS: the image is then built "
        "without class data.",
        step=STEP,
        details=said[-_LINES:],
    )
