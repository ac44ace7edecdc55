"""Pulling by digest on a host, with the registry's credentials in the call and nowhere else."""

from collections.abc import Mapping
from typing import Any

from docker.errors import APIError

from deploy.rollout.site import Site
from deploy.values.errors import HostError
from deploy.values.reference import parse_reference


def pull(site: Site, image: str, *, keep_as: str) -> None:
    """Pull `registry/repository@digest`, unless the host has it, and give it a local tag.

    A digest-only image counts as dangling, and a host's own prune would delete the way back.

    Raises:
        HostError: the registry refused, could not be reached, or the disk is full; quotes the engine.
        Cancelled: the rollout stops.
    """
    api = site.api
    if not _present(site, image):
        _download(site, image)
    repository, _, tag = keep_as.rpartition(":")
    api.tag(image, repository, tag)


def _present(site: Site, image: str) -> bool:
    try:
        site.api.inspect_image(image)
    except APIError as error:
        if error.status_code != 404:
            raise
        return False
    return True


def _download(site: Site, image: str) -> None:
    reference = parse_reference(image)
    try:
        events = site.api.pull(
            reference.repository,
            tag=reference.digest,
            stream=True,
            decode=True,
            auth_config=dict(site.registry_auth) if site.registry_auth else None,
        )
        layers: dict[str, str] = {}
        for event in events:
            _heed(site, image, event)
            if event.get("id") and event.get("status"):
                layers[event["id"]] = event["status"]
                done = sum(status in {"Pull complete", "Already exists"} for status in layers.values())
                site.stream.progress(f"{done} of {len(layers)} layers", step="pull", host=site.host.name)
            site.pause(0)
    except APIError as error:
        raise _refused(site, image, error.explanation or str(error)) from error


def _heed(site: Site, image: str, event: Mapping[str, Any]) -> None:
    if "error" in event or "errorDetail" in event:
        detail = event.get("errorDetail") or {}
        raise _refused(site, image, str(detail.get("message") or event.get("error")))


def _refused(site: Site, image: str, said: str) -> HostError:
    """The advice that fits what the engine said."""
    registry = parse_reference(image).registry
    advice = f"Try `docker pull {image}` on {site.host.name}."
    lower = said.lower()
    if "server gave http response to https client" in lower:
        advice = (
            f"{site.host.name} takes {registry} for an HTTPS registry, and it speaks plain HTTP: add it to "
            f'"insecure-registries" in /etc/docker/daemon.json there, then `sudo kill -HUP $(pidof dockerd)`.'
        )
    elif "unauthorized" in lower or "denied" in lower or "no basic auth" in lower:
        advice = "Check REGISTRY_USER and REGISTRY_PASSWORD."
    elif "no space left" in lower:
        advice = f"Free some space on {site.host.name}: `docker system df`, then `docker image prune`."
    elif "no such host" in lower or "connection refused" in lower or "timeout" in lower:
        advice = f"See that {site.host.name} reaches {registry}; REGISTRY_FOR_HOSTS if it knows it otherwise."
    return HostError(f"Could not pull {image}.", why=said, advice=advice, host=site.host.name, step="pull")
