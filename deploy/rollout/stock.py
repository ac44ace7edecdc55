"""Which images a host's engine has, so that a pull can be told beforehand."""

from typing import Any

from docker.errors import APIError

from deploy.values.images import Stock

MOST = 60
"""Images that are looked at, newest first: one call each."""


def take_stock(api: Any) -> Stock:
    """Ask a host's engine for its images and their layers; a handful of calls of a few milliseconds each."""
    listed = sorted(api.images(), key=lambda each: int(each.get("Created") or 0), reverse=True)
    chains = (_chain(api, str(each["Id"])) for each in listed[:MOST])
    return Stock(chains=tuple(chain for chain in chains if chain))


def _chain(api: Any, image: str) -> tuple[str, ...]:
    try:
        seen = api.inspect_image(image)
    except APIError as error:
        if error.status_code != 404:
            raise
        return ()  # Removed between the two calls.
    return tuple((seen.get("RootFS") or {}).get("Layers") or ())
