"""What the containers on a host say: which release serves, which are kept, what was left half done. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.values import labels
from deploy.values.facts import ContainerFacts, HostFacts
from deploy.values.release import HealthCheck, proxy_name
from deploy.values.steps import Serving


@dataclass(frozen=True, kw_only=True)
class Found:
    """The containers of one application on one host, by the part they play."""

    serving: ContainerFacts | None
    """Where the proxy sends, when that runs; else the one with the plain name."""
    kept: tuple[ContainerFacts, ...]
    """Earlier releases that finished, newest first."""
    leftovers: tuple[ContainerFacts, ...]
    """What a rollout left behind that was killed, serving nothing."""
    proxy: ContainerFacts | None
    plain: ContainerFacts | None
    """Whoever has the plain name."""


def find(facts: HostFacts, *, app: str, profile: str, sends_to: str) -> Found:
    """Sort a host's containers.

    Args:
        facts: of the host.
        app: the application's name.
        profile: the profile; containers of another profile are not ours.
        sends_to: the alias that the proxy sends to; empty when there is no proxy, or it does not answer.
    """
    ours = [item for item in facts.containers if is_ours(item, app=app, profile=profile)]
    plain = next((item for item in ours if item.name == app), None)
    pointed = next((item for item in ours if alias(item) == sends_to and item.running), None)
    serving = pointed or plain
    committed = {entry["id"] for entry in history_of(serving)} if serving else set()
    rest = sorted((item for item in ours if item != serving), key=release_of, reverse=True)
    kept = tuple(item for item in rest if release_of(item) in committed or item == plain)
    return Found(
        serving=serving,
        kept=kept,
        leftovers=tuple(item for item in rest if item not in kept),
        proxy=next((item for item in facts.containers if is_proxy(item, app=app)), None),
        plain=plain,
    )


def is_ours(item: ContainerFacts, *, app: str, profile: str) -> bool:
    """Whether a container is of this application and profile."""
    return (
        item.labels.get(labels.APP) == app
        and item.labels.get(labels.ROLE) == "app"
        and item.labels.get(labels.PROFILE) == profile
    )


def is_proxy(item: ContainerFacts, *, app: str) -> bool:
    """Whether a container is this application's proxy."""
    return item.name == proxy_name(app) and item.labels.get(labels.ROLE) == "proxy"


def release_of(item: ContainerFacts) -> str:
    """The rollout id that made a container."""
    return item.labels.get(labels.RELEASE, "")


def alias(item: ContainerFacts) -> str:
    """A container's name in the application's network."""
    return f"r{release_of(item)}"


def history_of(item: ContainerFacts) -> list[dict[str, str]]:
    """The releases that finished on the whole fleet before this one, newest first; empty when unreadable."""
    try:
        entries = json.loads(item.labels.get(labels.HISTORY) or "[]")
    except json.JSONDecodeError:
        return []
    return [entry for entry in entries if isinstance(entry, dict) and "id" in entry]


def next_history(serving: ContainerFacts | None, *, keep: int) -> str:
    """The history label of what follows a container: that container's own, with itself in front."""
    if serving is None:
        return "[]"
    entry = {
        "id": release_of(serving),
        "digest": serving.labels.get(labels.DIGEST, ""),
        "tag": serving.labels.get(labels.TAG, ""),
        "who": serving.labels.get(labels.DEPLOYED_BY, ""),
        "when": serving.labels.get(labels.DEPLOYED_AT, ""),
    }
    return json.dumps([entry, *history_of(serving)][: max(keep, 1)], separators=(",", ":"))


def as_serving(item: ContainerFacts, fallback: HealthCheck) -> Serving:
    """What a rollout must remember of the container that it replaces.

    `fallback` is how it is checked when its own label does not say.
    """
    return Serving(
        id=item.id,
        name=item.name,
        release=release_of(item),
        tag=item.labels.get(labels.TAG, ""),
        digest=item.labels.get(labels.DIGEST, ""),
        alias=alias(item),
        running=item.running,
        health=health_of(item.labels, fallback),
    )


def health_of(container_labels: Mapping[str, str], fallback: HealthCheck) -> HealthCheck:
    """How a container's own release was checked, by its label."""
    try:
        return HealthCheck(**json.loads(container_labels[labels.HEALTH]))
    except (KeyError, TypeError, ValueError):
        return fallback
