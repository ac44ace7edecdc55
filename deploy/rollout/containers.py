"""The application's container: how it is created, and how its labels tell of it."""

import json
from dataclasses import asdict
from typing import Any

from docker.types import LogConfig
from docker.types import Mount as DockerMount

from deploy.rollout import secret_files
from deploy.rollout.kept import spec_label
from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.confinement import TMP, Confinement
from deploy.values.mounts import Mount
from deploy.values.release import Release, network_name
from deploy.values.secret_files import TARGET, mounted

LOGS = LogConfig(type="json-file", config={"max-size": "10m", "max-file": "3"})
"""Docker's own default has no limit, and fills the disk."""


def create(site: Site, release: Release, history: str) -> str:
    """Create the candidate, not started, restart policy `no`; returns its id.

    It publishes no port: the proxy reaches it by its alias in the application's network.
    """
    api = site.api
    spec = release.spec
    if spec.in_files:
        secret_files.write(site, release)
    network = network_name(release.app)
    created = api.create_container(
        image=release.image,
        name=release.container,
        environment=spec.variables(),
        labels=release_labels(release, history),
        user=spec.user or None,
        stop_timeout=spec.stop_timeout,
        host_config=api.create_host_config(
            network_mode=network,
            restart_policy={"Name": "no"},
            mem_limit=spec.memory,
            nano_cpus=round(spec.cpus * 1e9) if spec.cpus else None,
            binds=[bind(mount) for mount in spec.mounts] or None,
            mounts=[_of_secrets(release)] if spec.in_files else None,
            log_config=LOGS,
            **(confined(spec.confinement) if spec.confinement else {}),
        ),
        networking_config=api.create_networking_config(
            {network: api.create_endpoint_config(aliases=[release.alias])}
        ),
    )
    return str(created["Id"])


def bind(mount: Mount) -> str:
    """A mount as Docker's `-v` writes it."""
    return f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'}"


def _of_secrets(release: Release) -> DockerMount:
    """Unlike a bind, a mount fails where its source is gone, and the application never starts without."""
    return DockerMount(TARGET, mounted(release.app, release.id), type="bind", read_only=True)


def confined(confinement: Confinement) -> dict[str, Any]:
    """A confinement as options of the engine; what it brings none of is left to the engine."""
    size = confinement.tmp_size
    return {
        "cap_drop": ["ALL"],
        "cap_add": list(confinement.cap_add) or None,
        "security_opt": ["no-new-privileges"] if confinement.no_new_privileges else None,
        "pids_limit": confinement.pids_limit or None,
        # Docker's own /tmp of this kind is noexec, and libraries for Java unpack native code there.
        "tmpfs": {TMP: f"rw,exec,nosuid,nodev,mode=1777,size={size}"} if size else None,
        "read_only": confinement.read_only,
    }


def release_labels(release: Release, history: str) -> dict[str, str]:
    """What a container says of its release; read back by `status`, plan and rollback."""
    return {
        labels.APP: release.app,
        labels.PROFILE: release.profile,
        labels.ROLE: "app",
        labels.RELEASE: release.id,
        labels.DIGEST: release.digest,
        labels.TAG: release.tag,
        labels.COMMIT: release.commit,
        labels.AUTHOR: release.author,
        labels.SUBJECT: release.subject,
        labels.DEPLOYED_BY: release.deployed_by,
        labels.DEPLOYED_AT: release.deployed_at,
        labels.SETTINGS: release.fingerprint,
        labels.HEALTH: json.dumps(asdict(release.health)),
        labels.SPEC: spec_label(release.spec),
        labels.HISTORY: history,
        **({labels.ORIGIN: release.origin} if release.origin else {}),
        **({labels.SKIPPED: json.dumps(release.skipped)} if release.skipped else {}),
    }


def set_restart_policy(site: Site, container: str, name: str) -> None:
    """Change whether a container comes back after a crash and a reboot, in place."""
    site.api.update_container(container, restart_policy={"Name": name})


def exists(site: Site, name: str) -> dict[str, Any] | None:
    """Inspect a container, or None."""
    from docker.errors import NotFound

    try:
        found: dict[str, Any] = site.api.inspect_container(name)
    except NotFound:
        return None
    return found
