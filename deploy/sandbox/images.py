"""Images of the sandbox: from Docker Hub where it answers, else stand-ins made of Debian's packages.

An image that is built here carries the hash of all that went into it as its tag, and is built once.
"""

import hashlib
import os
import platform
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import docker
from docker.errors import APIError, ImageNotFound

from deploy.setup import packages
from deploy.setup.packages import Setup
from deploy.values import labels
from deploy.values.errors import BuildError
from deploy.values.events import Stream

Name = Literal["host", "registry", "java", "proxy"]
PREFIX = "jarship-sandbox-"
DIRECTORY = Path(__file__).parents[2] / "docker" / "sandbox"

HUB = ("registry-1.docker.io", 443)
HUB_TIMEOUT = 3.0
"""Seconds; where the name does not resolve it fails at once."""
HUB_BASE = "debian:trixie-slim"
HUB_IMAGES: Mapping[Name, str] = {"registry": "registry:2"}
"""What is taken as it is from Docker Hub; `java` and `proxy` are BASE_IMAGE and PROXY_IMAGE then."""

BASE_OPTIONS = (
    "--variant=minbase",
    # Nothing here must survive a power cut; and only programs are of use.
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::Retries "3"',
    '--aptopt=Dir::Cache::pkgcache ""',
    '--aptopt=Dir::Cache::srcpkgcache ""',
    "trixie",
)


def hub_answers(client: docker.DockerClient) -> bool:
    """Whether images can be had from Docker Hub: directly, or by a mirror or proxy that the engine has."""
    info = client.info()
    if info.get("HttpsProxy") or (info.get("RegistryConfig") or {}).get("Mirrors"):
        return True
    try:
        with socket.create_connection(HUB, timeout=HUB_TIMEOUT):
            return True
    except OSError:
        return False


def ensure(
    client: docker.DockerClient, names: Sequence[Name], *, hub: bool, stream: Stream, setup: Setup
) -> dict[Name, str]:
    """See to it that the engine has the images.

    Args:
        client: the engine of this machine.
        names: which ones.
        hub: whether to take from Docker Hub what is there. `java` and `proxy` exist as stand-ins only.
        stream: hears what is pulled and built.
        setup: whether packages that building needs may be installed.

    Returns:
        A reference for each name.

    Raises:
        BuildError: a pull or a build failed.
        InputError: building needs what may not be installed here.
    """
    pulled = {name: HUB_IMAGES[name] for name in names if hub and name in HUB_IMAGES}
    base = HUB_BASE if hub else base_reference()
    built = {name: reference(name, base) for name in names if name not in pulled}
    present = _tags(client)
    missing_pulls = [image for image in pulled.values() if image not in present]
    missing_builds = [name for name, image in built.items() if image not in present]
    for image in [*missing_pulls, *([HUB_BASE] if hub and missing_builds else [])]:
        pull(client, image, stream)
    if missing_builds:
        if not hub and base not in present:
            build_base(client, base, stream, setup)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: build(client, name, base, built[name], stream), missing_builds))
    return {name: (pulled | built)[name] for name in names}


def base_reference() -> str:
    """The stand-in for `debian:trixie-slim`."""
    parts = [*BASE_OPTIONS, platform.machine()]
    return f"{PREFIX}base:{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"


def reference(name: Name, base: str, directory: Path = DIRECTORY) -> str:
    """What an image that is built on `base` is called: its tag is the hash of its directory and of `base`."""
    content = hashlib.sha256(base.encode())
    for file in sorted((directory / name).rglob("*")):
        if file.is_file():
            executable = bool(file.stat().st_mode & 0o100)
            content.update(repr((file.relative_to(directory).as_posix(), executable)).encode())
            content.update(hashlib.sha256(file.read_bytes()).digest())
    return f"{PREFIX}{name}:{content.hexdigest()[:12]}"


def pull(client: docker.DockerClient, image: str, stream: Stream) -> None:
    """Pull an image of Docker Hub.

    Raises:
        BuildError: it failed; a failed pull arrives inside the stream of an answer that says 200.
    """
    with stream.step("sandbox.image", f"pull {image}"):
        path, tag = image.split(":")
        try:
            for event in client.api.pull(path, tag=tag, stream=True, decode=True):
                if "error" in event:
                    raise BuildError(f"Pulling {image} failed.", why=str(event["error"]))
        except APIError as error:
            raise BuildError(f"Pulling {image} failed.", why=str(error.explanation or error)) from error


def build_base(client: docker.DockerClient, image: str, stream: Stream, setup: Setup) -> None:
    """Make the stand-in for `debian:trixie-slim` with mmdebstrap.

    Raises:
        BuildError: mmdebstrap failed.
        InputError: there is no mmdebstrap, and it may not be installed.
    """
    if packages.find("mmdebstrap") is None:
        need = (
            "Docker Hub does not answer, so the sandbox's images are made with mmdebstrap, which is missing"
        )
        packages.install(stream, ["mmdebstrap", "debian-archive-keyring"], setup=setup, need=need)
    with stream.step("sandbox.image", "make a Debian base image"), tempfile.TemporaryDirectory() as place:
        # Its own temporary files are here too, so that none is left when it is killed; apt's user must enter.
        Path(place).chmod(0o755)
        tar = Path(place, "base.tar")
        made = subprocess.run(
            ["mmdebstrap", *BASE_OPTIONS, str(tar)],
            env={**os.environ, "TMPDIR": place},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise BuildError(
                f"mmdebstrap failed with exit code {made.returncode}.",
                details=made.stderr.splitlines()[-20:],
                advice="The sandbox needs Docker Hub or Debian's package server: see whether one answers.",
            )
        path, tag = image.split(":")
        client.api.import_image_from_file(
            str(tar), repository=path, tag=tag, changes=[f"LABEL {labels.SANDBOX_IMAGE}=base"]
        )


def build(client: docker.DockerClient, name: Name, base: str, image: str, stream: Stream) -> None:
    """Build one of `docker/sandbox/`.

    Raises:
        BuildError: it failed; with the end of its output.
    """
    step = f"sandbox.image.{name}"
    lines: list[str] = []
    with stream.step(step, f"build the sandbox's {name} image"):
        events = client.api.build(
            path=str(DIRECTORY / name),
            tag=image,
            buildargs={"BASE": base},
            labels={labels.SANDBOX_IMAGE: name},
            rm=True,
            forcerm=True,
            decode=True,
        )
        for line in _output(events):
            lines.append(line)
            if line.startswith("Step "):
                stream.progress(line, step=step)
        if image not in _tags(client):
            raise BuildError(f"Building the sandbox's {name} image failed.", details=lines[-20:])


def _output(events: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The lines of a build; its error is the last one."""
    for event in events:
        text = str(event.get("stream") or event.get("error") or "")
        yield from (line for line in text.splitlines() if line.strip())


def remove(client: docker.DockerClient, stream: Stream) -> None:
    """Remove every image that was built for sandboxes or upon a stand-in, but those that containers use."""
    for image in client.images.list(filters={"label": labels.SANDBOX_IMAGE}):
        for tag in image.tags:
            _remove(client, tag, stream)


def forget_registry(client: docker.DockerClient, registry: str, stream: Stream) -> None:
    """Remove this engine's names for what was pushed to a registry (`host:port`) that is no more."""
    for tag in _tags(client):
        if tag.startswith(f"{registry}/"):
            _remove(client, tag, stream)


def _remove(client: docker.DockerClient, tag: str, stream: Stream) -> None:
    try:
        client.images.remove(tag)
    except ImageNotFound:
        return
    except APIError as error:
        if error.status_code != 409:
            raise
        stream.warning(f"{tag} stays: a container uses it.")


def _tags(client: docker.DockerClient) -> frozenset[str]:
    return frozenset(tag for image in client.api.images() for tag in image.get("RepoTags") or ())
