"""Pushes and pulls of this machine's engine: every event of their streams read, failures told by their cause.

The engine answers 200 and reports what goes wrong inside the stream; and it says nothing at all while a
registry hangs, so that each wait for the next event is bounded here.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
import urllib3
from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, StreamParseError
from docker.models.images import Image
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from deploy import credentials
from deploy.causes import explain
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from deploy.values.reference import parse_reference
from deploy.values.settings import Settings

ATTEMPTS = 3
DOCKER_HUB = "docker.io"
BESIDE = "jarship-base"
"""Local repositories of images that are had for several platforms; never pushed."""

T = TypeVar("T")
Events = Iterator[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a transfer is waited for when nothing moves, in seconds."""

    silence: float = 60.0
    """Without any event; during a transfer the engine reports several times a second."""
    retrying: float = 20.0
    """While the engine tries again, which takes 50 seconds; then the registry is asked what is wrong."""


class TransferError(BuildError):
    """A push or pull failed."""

    def __init__(self, what: str, *, transient: bool = False, **rest: Any) -> None:
        super().__init__(what, **rest)
        self.transient = transient
        """Whether the same may succeed a moment later."""


@dataclass(kw_only=True)
class Progress:
    """What the events of a transfer have told so far, by the engine's short ids of layers."""

    there: set[str] = field(default_factory=set)
    """Layers that the registry had already."""
    sent: set[str] = field(default_factory=set)
    moving: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Layer -> bytes so far, bytes in all; uncompressed, as the engine counts them."""

    def take(self, event: dict[str, Any]) -> None:
        """Read one event."""
        layer, status = event.get("id", ""), event.get("status", "")
        if status.startswith(("Layer already exists", "Mounted from", "Already exists")):
            self.there.add(layer)
        elif status in ("Pushed", "Pull complete"):
            self.sent.add(layer)
        elif status in ("Pushing", "Downloading"):
            detail = event.get("progressDetail") or {}
            self.moving[layer] = (detail.get("current", 0), detail.get("total", 0))

    def __str__(self) -> str:
        done = sum(current for current, _ in self.moving.values())
        total = sum(max(pair) for pair in self.moving.values())
        return f"{len(self.there)} layers there, {done / 1e6:.1f} of {total / 1e6:.1f} MB moved"


@contextmanager
def engine_failures(step: str) -> Iterator[None]:
    """Turn what the engine's client raises into a BuildError; also a decorator.

    Raises:
        BuildError: the engine refused something or stopped answering.
    """
    try:
        yield
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise BuildError(
            "This machine's Docker Engine could not do its part.",
            why=str(getattr(error, "explanation", None) or error),
            advice="Is it running, and has it space? docker version; docker system df",
            step=step,
        ) from error


def push(
    client: DockerClient,
    repository: str,
    tag: str,
    *,
    auth: credentials.Credentials | None,
    check: Callable[[], None],
    stream: Stream,
    step: str = "push",
    patience: Patience = Patience(),
) -> tuple[Progress, str]:
    """Push a tag of the local engine; what fails for a moment is tried again.

    Args:
        repository: with its registry: `host:port/path`.
        check: asks the registry what is wrong, which the engine does not tell while it tries again; raises
            BuildError when it takes no push.

    Returns:
        What was sent, and the digest that the engine reports; empty when it reports none.

    Raises:
        TransferError: names the registry, quotes the cause and says what to do.
    """
    config = auth.auth_config() if auth else {}
    transfer = _Transfer(
        client=client,
        call=lambda: client.api.push(repository, tag, stream=True, decode=True, auth_config=config),
        doing=f"push {repository}:{tag}",
        registry=parse_reference(repository).registry or DOCKER_HUB,
        patience=patience,
        step=step,
        check=check,
    )

    def once() -> tuple[Progress, str]:
        progress, digest = Progress(), ""
        for event in transfer.events():
            progress.take(event)
            digest = (event.get("aux") or {}).get("Digest", digest)
            stream.progress(f"{repository}:{tag}: {progress}", step=step)
        return progress, digest

    return _trying(once, stream, step)


def pull(
    client: DockerClient,
    reference: str,
    platform: str,
    *,
    auth: credentials.Credentials | None,
    stream: Stream,
    step: str,
    patience: Patience = Patience(),
) -> None:
    """Pull an image into the local engine for a platform; what fails for a moment is tried again.

    Raises:
        TransferError: names the registry, quotes the cause and says what to do.
    """
    parsed = parse_reference(reference)
    tag = parsed.digest or parsed.tag or "latest"
    config = auth.auth_config() if auth else {}
    transfer = _Transfer(
        client=client,
        call=lambda: client.api.pull(
            parsed.repository, tag, stream=True, decode=True, platform=platform, auth_config=config
        ),
        doing=f"pull {reference}",
        registry=parsed.registry or DOCKER_HUB,
        patience=patience,
        step=step,
        receiving=True,
    )

    def once() -> None:
        progress = Progress()
        for event in transfer.events():
            progress.take(event)
            stream.progress(f"{reference}: {progress}", step=step)

    _trying(once, stream, step)


def ensure_image(
    client: DockerClient,
    reference: str,
    platform: str,
    *,
    auth: credentials.Credentials | None,
    stream: Stream,
    step: str,
) -> Image:
    """An image of the local engine for a platform, pulled when it is missing or there for another one.

    Args:
        platform: `os/architecture`.

    Raises:
        BuildError: it is nowhere to be had, or only for another platform.
    """
    image = local_image(client, reference)
    if image and fits(image, platform):
        return image
    stream.note(f"Pulling {reference} for {platform}.", step=step)
    try:
        pull(client, reference, platform, auth=auth, stream=stream, step=step)
    except TransferError as error:
        if image:
            raise _not_for(reference, platform, image, step, error.why) from error
        raise
    image = local_image(client, reference)
    if image is None or not fits(image, platform):
        raise _not_for(reference, platform, image, step)
    return image


def ensure_beside(
    client: DockerClient,
    reference: str,
    platform: str,
    *,
    auth: credentials.Credentials | None,
    stream: Stream,
    step: str,
) -> Image:
    """The same, kept beside the same image for other platforms: a name stands for one of them at a time.

    Raises:
        BuildError: it is nowhere to be had for this platform.
    """
    name = name_beside(reference, platform)
    image = local_image(client, name)
    if image and fits(image, platform):
        return image
    _set_aside(client, reference, platform)
    image = ensure_image(client, reference, platform, auth=auth, stream=stream, step=step)
    image.tag(*name.split(":"))
    return image


def _set_aside(client: DockerClient, reference: str, platform: str) -> None:
    """Make room for another platform's image: an engine does not give a digest another meaning."""
    there = local_image(client, reference)
    if there and "@" in reference and not fits(there, platform):
        there.tag(*name_beside(reference, platform_of(there)).split(":"))
        client.images.remove(_lookup(reference), noprune=True)


def name_beside(reference: str, platform: str) -> str:
    """The local name of an image for one of several platforms."""
    key = hashlib.sha256(_lookup(reference).encode()).hexdigest()[:12]
    return f"{BESIDE}/{key}:{'-'.join(platform.split('/')[:2])}"


def _not_for(reference: str, platform: str, image: Image | None, step: str, why: str = "") -> BuildError:
    has = f"the local engine has it for {platform_of(image)}" if image else "its pull brought nothing"
    return BuildError(
        f"The image {reference} is not there for {platform}.",
        why=f"{has}; {why}" if why else has,
        advice="Name an image for that platform, or set PLATFORM to the one that the hosts have.",
        step=step,
    )


def credentials_for(reference: str, settings: Settings) -> credentials.Credentials | None:
    """The credentials that go with an image: the settings' for their registry, `docker login`'s for others.

    Raises:
        InputError: the Docker configuration or its credential helper cannot be read.
    """
    registry = parse_reference(reference).registry or DOCKER_HUB
    if registry != settings.registry:
        return credentials.find(registry, None, None)
    password = settings.registry_password
    return credentials.find(
        registry, settings.registry_user, password.get_secret_value() if password else None
    )


def local_image(client: DockerClient, reference: str) -> Image | None:
    """An image of the local engine, by name or id; None when it has none such."""
    try:
        return client.images.get(_lookup(reference))
    except ImageNotFound:
        return None


def _lookup(reference: str) -> str:
    is_id = reference.startswith("sha256:")
    return reference if is_id else str(parse_reference(reference).pinned)


def platform_of(image: Image) -> str:
    """`os/architecture` of an image of the engine."""
    return f"{image.attrs['Os']}/{image.attrs['Architecture']}"


def fits(image: Image, platform: str) -> bool:
    """Whether an image runs on a platform; a variant, as in `linux/arm64/v8`, is not compared."""
    return platform_of(image) == "/".join(platform.split("/")[:2])


def _trying(once: Callable[[], T], stream: Stream, step: str) -> T:
    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, TransferError) and error.transient),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=1, max=8),
        before_sleep=lambda state: stream.warning(f"{_outcome(state)} Trying again.", step=step),
        reraise=True,
    )
    return retrying(once)


def _outcome(state: Any) -> str:
    error = state.outcome.exception()
    return f"{error.what} ({error.why})" if error.why else error.what


@dataclass(frozen=True, kw_only=True)
class _Transfer:
    """One call to the engine whose answer is a stream of events."""

    client: DockerClient
    call: Callable[[], Events]
    doing: str
    """Such as `push HOST:PORT/PATH:TAG`."""
    registry: str
    patience: Patience
    step: str
    receiving: bool = False
    """Whether it is this engine that stores what comes."""
    check: Callable[[], None] = lambda: None

    def events(self) -> Events:
        """The events, as long as they tell no failure.

        Raises:
            TransferError: one tells a failure, the stream breaks off, or nothing moves for too long.
        """
        try:
            with _waiting_at_most(self.client, self.patience.silence):
                yield from self._checked(self.call())
        except APIError as error:
            raise self._failure(str(error.explanation or error)) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, StreamParseError, OSError) as error:
            raise self._broken(error) from error
        except DockerException as error:
            raise TransferError(
                f"The engine could not {self.doing}.", why=str(error), step=self.step
            ) from error

    def _checked(self, events: Events) -> Events:
        retrying_since = None
        for event in events:
            words = (event.get("errorDetail") or {}).get("message") or event.get("error")
            if words:
                # What the engine has tried five times over 50 seconds is not tried again from here.
                raise self._failure(words, retried=retrying_since is not None)
            if event.get("status", "").startswith("Retrying in"):
                retrying_since = retrying_since or time.monotonic()
                if time.monotonic() - retrying_since > self.patience.retrying:
                    self.check()
                    retrying_since = time.monotonic()
            elif (event.get("progressDetail") or {}).get("current"):
                retrying_since = None
            yield event

    def _broken(self, error: BaseException) -> TransferError:
        if _timed_out(error):
            return TransferError(
                f"Could not {self.doing}: the registry {self.registry} hangs.",
                why=f"the engine heard nothing of it for {self.patience.silence:g} s",
                advice=f"Look at the registry's log and disk; does it answer? curl -m 5 {self.registry}/v2/",
                step=self.step,
            )
        return TransferError(
            f"The engine's report broke off: {self.doing}.",
            why=str(error),
            advice="Is the Docker Engine still running? docker version",
            step=self.step,
            transient=True,
        )

    def _failure(self, words: str, *, retried: bool = False) -> TransferError:
        cause = explain(words, self.registry)
        if cause.kind == "full" and self.receiving:
            return TransferError(
                f"Could not {self.doing}: this machine's engine has no space left.",
                why=words.strip(),
                advice="See what takes it: docker system df",
                step=self.step,
            )
        return TransferError(
            f"Could not {self.doing}: the registry {self.registry} {cause.what}.",
            why=words.strip(),
            advice=cause.advice,
            step=self.step,
            transient=cause.transient and not retried,
        )


@contextmanager
def _waiting_at_most(client: DockerClient, seconds: float) -> Iterator[None]:
    """Bound each wait of the client's calls; the SDK has no parameter for it in `push` and `pull`."""
    before = client.api.timeout
    client.api.timeout = seconds  # type: ignore[assignment]
    try:
        yield
    finally:
        client.api.timeout = before


def _timed_out(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)):
            return True
        error = error.__cause__ or error.__context__
    return False
