"""What a build's digest and the settings of a profile make together."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from deploy.rollout.heap import Heap, default_options, heap_of
from deploy.values import labels, secret_files
from deploy.values.build import Build, Pushed
from deploy.values.errors import InputError
from deploy.values.images import Layer
from deploy.values.keys import is_secret
from deploy.values.release import ContainerSpec, HealthCheck, Release
from deploy.values.settings import Settings

DEFAULT_HEALTH_PATH = "/"


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What a rollout must know of an image; read from the registry, so that a rollback knows the same."""

    platform: str
    """`os/architecture`."""
    user: str
    """As the image's configuration has it; empty means root."""
    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: tuple[str, ...] = ()
    """Entry point and arguments."""
    has_healthcheck: bool = False
    """Whether it brings a HEALTHCHECK."""
    layers: tuple[Layer, ...] = ()
    """Lowest first; none when no manifest told their sizes."""


def image_facts(config: Mapping[str, Any], sizes: Sequence[int] = ()) -> ImageFacts:
    """Read an image's configuration blob, as github.com/opencontainers/image-spec describes it.

    Args:
        config: the blob's content.
        sizes: bytes of its layers, as its manifest has them: one for each diff ID.
    """
    inner = config.get("config") or {}
    return ImageFacts(
        platform=f"{config.get('os', 'linux')}/{config.get('architecture', '')}",
        user=str(inner.get("User") or ""),
        labels=dict(inner.get("Labels") or {}),
        environment=variables(inner.get("Env") or ()),
        command=(*(inner.get("Entrypoint") or ()), *(inner.get("Cmd") or ())),
        has_healthcheck=_first((inner.get("Healthcheck") or {}).get("Test")) not in {"", "NONE"},
        layers=tuple(
            Layer(diff_id=diff_id, size=size)
            for diff_id, size in zip((config.get("rootfs") or {}).get("diff_ids") or (), sizes, strict=False)
        ),
    )


def image_on_host(seen: Mapping[str, Any]) -> ImageFacts:
    """Read what an engine's `inspect` tells of an image."""
    return image_facts({"config": seen["Config"], "os": seen["Os"], "architecture": seen["Architecture"]})


def _first(words: Sequence[str] | None) -> str:
    return words[0] if words else ""


def variables(entries: Iterable[str]) -> dict[str, str]:
    """Environment variables by name, of `NAME=value` entries."""
    return dict(entry.partition("=")[::2] for entry in entries)


def new_rollout_id(now: datetime) -> str:
    """An id that sorts by time, to the second, and is unlike any other made in the same second."""
    return f"{now:%Y%m%d%H%M%S}-{secrets.token_hex(2)}"


def make_release(
    build: Build, image: ImageFacts, settings: Settings, *, now: datetime, deployed_by: str
) -> Release:
    """The release of a pushed build under a profile's settings.

    Raises:
        InputError: the build has not been pushed.
    """
    pushed = _pushed(build)
    registry = settings.registry_at_hosts
    release = Release(
        id=new_rollout_id(now),
        app=settings.app_name,
        profile=settings.profile,
        image=f"{registry}/{pushed.repository}@{pushed.digest}",
        digest=pushed.digest,
        tag=pushed.tag,
        proxy_image=f"{registry}/{pushed.proxy_repository}@{pushed.proxy_digest}",
        commit=build.source.commit,
        author=build.source.author,
        subject=build.source.subject,
        deployed_by=deployed_by,
        deployed_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        spec=spec_of_settings(settings, image),
        health=health_of_settings(image, settings),
    )
    return replace(release, fingerprint=fingerprint(release, salt=release.id))


def fingerprint(release: Release, *, salt: str) -> str:
    """`salt$hash` over all that shapes the container: equal hashes mean that replacing changes nothing.

    The salt keeps equal secrets on two hosts, or in two releases, from being seen to be equal.
    """
    return fingerprint_of(release.image, release.spec, release.health, salt=salt)


def fingerprint_of(image: str, spec: ContainerSpec, health: HealthCheck, *, salt: str) -> str:
    """The same, by what shapes the container."""
    shape = {"image": image, "spec": asdict(spec), "health": asdict(health)}
    text = json.dumps(shape, sort_keys=True, default=str)
    return f"{salt}${hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()}"


def unchanged(release: Release, label: str) -> bool:
    """Whether a container with this fingerprint label is what the release would start."""
    return is_shape_of(label, release.image, release.spec, release.health)


def is_shape_of(label: str, image: str, spec: ContainerSpec, health: HealthCheck) -> bool:
    """Whether a container with this fingerprint label was made from just these."""
    salt, dollar, _ = label.partition("$")
    return bool(dollar) and hmac.compare_digest(fingerprint_of(image, spec, health, salt=salt), label)


def user_ids(release: Release, image: ImageFacts) -> tuple[int, int] | None:
    """The numeric user and group that the application runs as; None when they are named by words.

    Without a group, Docker takes the user's own from the image's /etc/passwd, or 0.
    """
    user, _, group = (release.spec.user or image.user or "0").partition(":")
    if not all(part.isascii() and part.isdigit() for part in (user, group or "0")):
        return None
    return int(user), int(group or 0)


def _pushed(build: Build) -> Pushed:
    if build.pushed is None:
        raise InputError("This build has not been pushed.", advice="Run `invoke push` first.")
    return build.pushed


def spec_of_settings(settings: Settings, image: ImageFacts) -> ContainerSpec:
    """What the settings say of the container, with the heap that an image with Java gets for them."""
    environment = {
        "PROFILE": settings.profile,
        **({"LOGGING_FILE_NAME": settings.log_file} if settings.log_file else {}),
        **settings.app_env,
        **settings.secret_variables(),
    }
    in_files = tuple(sorted(settings.secrets)) if settings.secrets_as == "files" else ()
    if in_files:
        environment |= secret_files.importing(environment)
    environment |= default_options(environment, image.environment, image.command, settings.memory)
    return ContainerSpec(
        environment=environment,
        in_files=in_files,
        port=settings.container_port,
        memory=settings.memory,
        cpus=settings.cpus,
        mounts=settings.mounts,
        log_file=settings.log_file,
        user=settings.run_as,
        stop_timeout=settings.stop_timeout,
        confinement=settings.confinement(),
        secrets=tuple(sorted({*settings.secrets, *(name for name in settings.app_env if is_secret(name))})),
    )


def health_of_settings(image: ImageFacts, settings: Settings) -> HealthCheck:
    """HEALTH_PATH, or what the image says of itself: by its HEALTHCHECK, or by the label of those built here.

    `/` proves only that something answers.
    """
    path = settings.health_path or image.labels.get(labels.HEALTH_PATH, DEFAULT_HEALTH_PATH)
    answers_only = not settings.health_path and path == DEFAULT_HEALTH_PATH
    return HealthCheck(
        path=path,
        port=settings.container_port,
        below=500 if answers_only else 400,
        timeout=settings.health_timeout,
        monitor=settings.monitor,
        by_image=image.has_healthcheck and not settings.health_path,
    )


def java_heap(release: Release, image: ImageFacts, host_memory: int) -> Heap | None:
    """The largest heap of the Java in a release's container, and what it takes besides; None without Java."""
    environment = {**image.environment, **release.spec.environment}
    return heap_of(environment, image.command, limit=release.spec.memory, host=host_memory)
