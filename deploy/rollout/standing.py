"""How a host stands that a rollout could not bring back: told as it is, for a person to act on."""

from typing import Any

from docker.errors import DockerException

from deploy.rollout import nginx
from deploy.rollout.containers import exists
from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.errors import Failure
from deploy.values.release import proxy_name


def standing(site: Site, app: str) -> str:
    """Each container of the application on a host and where its proxy sends, in a line; never raises."""
    try:
        listed = site.api.containers(all=True, filters={"label": [f"{labels.APP}={app}"]})
        seen = exists(site, proxy_name(app))
        sends_to = nginx.told(site.connection, seen) if seen else ""
    except (Failure, DockerException, OSError) as error:
        return f"{site.host.name}: how it stands is not known ({error})"
    parts = [_container(item, sends_to) for item in sorted(listed, key=lambda item: str(item["Names"]))]
    return f"{site.host.name}: {'; '.join(parts) or 'no container of ours'}"


def _container(item: dict[str, Any], sends_to: str) -> str:
    told = item["Labels"] or {}
    release = f" ({told[labels.TAG]})" if told.get(labels.TAG) else ""
    served = " <- APP_PORT" if sends_to and sends_to == f"r{told.get(labels.RELEASE)}" else ""
    return f"{item['Names'][0].lstrip('/')}{release} {item['Status'].lower()}{served}"
