"""Secrets as files in a host's memory: written before the container is made, removed with the last of it.

A reboot empties that memory. Then the container does not start, since what it mounts is gone, until a deploy
or a repair writes the files again.
"""

import base64
from collections.abc import Collection, Mapping
from pathlib import Path

from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.errors import HostError
from deploy.values.release import Release
from deploy.values.secret_files import file_names, folder

_SCRIPT = Path(__file__).with_name("secret_files.sh")


def write(site: Site, release: Release) -> None:
    """Write a release's secrets, in place of what is there of it.

    Raises:
        HostError: the host has no memory for files, or somebody else has taken the place.
    """
    spec = release.spec
    lines = [
        f"{name} {base64.b64encode(spec.environment[key].encode()).decode()}\n"
        for key in spec.in_files
        for name in file_names(key)
    ]
    _run(site, "write", folder(release.app, release.id), stdin="".join(lines))


def read(site: Site, app: str, releases: Collection[str]) -> dict[str, dict[str, str]]:
    """What is there of some releases' secrets: by release and name; nothing after a reboot."""
    by_folder = {folder(app, release): release for release in releases}
    if not by_folder:
        return {}
    found: dict[str, dict[str, str]] = {}
    for line in _run(site, "read", *by_folder).splitlines():
        place, name, text = (*line.split(" "), "")[:3]
        found.setdefault(by_folder[place], {})[name] = base64.b64decode(text).decode()
    return found


def sweep(site: Site, app: str) -> None:
    """Remove the secrets of releases that have no container any more."""
    containers = site.api.containers(all=True, filters={"label": f"{labels.APP}={app}"})
    _run(site, "sweep", app, *(_release_of(item) for item in containers))


def _release_of(item: Mapping[str, Mapping[str, str]]) -> str:
    return (item.get("Labels") or {}).get(labels.RELEASE, "")


def _run(site: Site, *args: str, stdin: str = "") -> str:
    done = site.run(_SCRIPT.read_text(), args=args, stdin=stdin)
    if done.code:
        raise HostError(
            "Secrets cannot be handled as files on this host.",
            why=done.err.strip(),
            advice="SECRETS_AS=environment does without.",
            host=site.host.name,
        )
    return done.out
