"""The image of a registry server on a host that may not reach where images come from."""

from collections.abc import Iterator, Mapping
from typing import Any

from docker import DockerClient
from docker.errors import APIError, ImageNotFound

from deploy.values.errors import HostError
from deploy.values.events import Stream
from deploy.values.reference import parse_reference

STEP = "registry"
_CHUNK = 1 << 20


def ensure(host: DockerClient, image: str, *, here: DockerClient | None, stream: Stream, name: str) -> None:
    """See to it that a host has an image: it pulls it, or is sent the one that this machine's engine has.

    Args:
        host: the host's engine.
        here: this machine's engine; None when there is none.
        name: the host's.

    Raises:
        HostError: it can be had neither way, or this machine has it for another platform.
    """
    if _platform(host, image):
        return
    with stream.step("registry.image", f"bring {image} there", host=name):
        why = _pull(host, image)
        if not why:
            return
        mine = _platform(here, image) if here else ""
        if here is None or not mine:
            raise HostError(
                f"The image {image} cannot be had.",
                why=f"the host says: {why}; and this machine's engine does not have it either",
                advice=f"Where it can be had: docker pull {image}",
                host=name,
                step=STEP,
            )
        theirs = _architecture(host)
        if mine != theirs:
            raise HostError(
                f"The image {image} is here for {mine}, and the host is {theirs}.",
                why=f"it could not pull it itself: {why}",
                advice=f"docker pull --platform {theirs} {image}",
                host=name,
                step=STEP,
            )
        _send(here, host, image)


def _pull(host: DockerClient, image: str) -> str:
    """Pull an image; why it failed, or nothing."""
    reference = parse_reference(image)
    tag = reference.digest or reference.tag or "latest"
    try:
        for event in host.api.pull(reference.repository, tag=tag, stream=True, decode=True):
            if "error" in event:
                return str(event["error"])
    except APIError as error:
        return str(error.explanation or error)
    return ""


def _send(here: DockerClient, host: DockerClient, image: str) -> None:
    api: Any = host.api
    for event in api.load_image(_exported(here, image)) or ():
        if "error" in event:
            raise HostError(f"The image {image} could not be sent.", why=str(event["error"]), step=STEP)


def _exported(here: DockerClient, image: str) -> Iterator[bytes]:
    parts: Iterator[bytes] = here.api.get_image(image, chunk_size=_CHUNK)
    return parts


def _platform(client: DockerClient, image: str) -> str:
    """`os/architecture` of an image that an engine has; empty when it does not have it."""
    api: Any = client.api
    try:
        seen: Mapping[str, Any] = api.inspect_image(image)
    except ImageNotFound:
        return ""
    return f"{seen['Os']}/{seen['Architecture']}"


def _architecture(client: DockerClient) -> str:
    version = client.api.version()
    return f"{version['Os']}/{version['Arch']}"
