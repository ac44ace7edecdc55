"""A host's images: pulled by digest, with credentials that rest nowhere; removed when nothing uses them."""

from collections.abc import Mapping
from typing import Any

from docker.errors import APIError, ImageNotFound

from deploy.hosts.engine import PULL_SILENCE, EngineSilent
from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.errors import HostError
from deploy.values.reference import parse_reference
from deploy.values.release import PROXY_TAG, local_repository


def pull(site: Site, image: str, *, keep_as: str) -> None:
    """Pull `registry/repository@digest`, unless the host has it, and give it a local tag.

    A digest-only image counts as dangling, and a host's own prune would delete the way back.

    Raises:
        HostError: the registry refused, could not be reached, or the disk is full; quotes the engine.
        Cancelled: the rollout stops.
    """
    api = site.api
    if not present(site, image):
        _download(site, image)
    repository, _, tag = keep_as.rpartition(":")
    api.tag(image, repository, tag)


def tidy(site: Site, app: str) -> None:
    """Remove the images of an application's releases that have no container any more.

    Only images with a local tag of ours, and only where nothing else holds them.
    """
    repository = local_repository(app)
    containers = site.api.containers(all=True)
    releases = {(item.get("Labels") or {}).get(labels.RELEASE) for item in containers}
    used = {item.get("ImageID") for item in containers}
    for image in site.api.images(name=repository):
        for name in image.get("RepoTags") or ():
            tag = name.removeprefix(f"{repository}:")
            if tag not in releases and not (tag == PROXY_TAG and image["Id"] in used):
                _untag(site, name)
        if image["Id"] not in used:
            _forget_digests(site, image["Id"])


def _forget_digests(site: Site, image: str) -> None:
    """Take the digests away from an image that has no tag any more; with the last one it goes itself."""
    try:
        seen = site.api.inspect_image(image)
    except ImageNotFound:
        return
    if not seen.get("RepoTags"):
        for digest in seen.get("RepoDigests") or ():
            _untag(site, digest)


def _untag(site: Site, name: str) -> None:
    try:
        site.api.remove_image(name)
    except ImageNotFound:
        return
    except APIError as error:
        # In use by a container that somebody made from it just now: not ours to take away.
        if error.status_code != 409:
            raise


def present(site: Site, image: str) -> bool:
    """Whether a host has an image."""
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
    except EngineSilent as error:
        said = f"timeout: {reference.registry} has sent nothing for {PULL_SILENCE:g} s"
        raise _refused(site, image, said) from error


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
        advice = f"Free some space on {site.host.name}: `df -h`, `df -i`, `docker system df`."
    elif "no such host" in lower or "connection refused" in lower or "timeout" in lower:
        advice = f"See that {site.host.name} reaches {registry}; REGISTRY_FOR_HOSTS if it knows it otherwise."
    return HostError(f"Could not pull {image}.", why=said, advice=advice, host=site.host.name, step="pull")
