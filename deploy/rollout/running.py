"""How a container of the application runs, or would, and what is different; values of variables stay here."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.rollout.found import health_of
from deploy.rollout.kept import in_files
from deploy.rollout.release import ImageFacts, variables
from deploy.values import labels
from deploy.values.confinement import TMP, Confinement
from deploy.values.planned import Change
from deploy.values.release import HealthCheck, Release
from deploy.values.sizes import format_cpus, format_memory


@dataclass(frozen=True, kw_only=True)
class Running:
    """What a container amounts to, with what its image brings."""

    tag: str
    digest: str
    environment: Mapping[str, str] = field(repr=False)
    """All that its process gets from image and settings."""
    port: int
    memory: int | None
    """Bytes."""
    cpus: float | None
    mounts: frozenset[str]
    """As MOUNTS writes them."""
    user: str
    stop_timeout: int | None
    """Seconds; None leaves it to the engine."""
    health: HealthCheck | None
    """None when it does not say."""
    confinement: Confinement | None
    """None where Docker's own defaults are all there is."""
    in_files: tuple[str, ...] = ()
    """The names of secrets that it gets as files."""


def as_it_runs(seen: Mapping[str, Any]) -> Running:
    """Read the engine's inspection of a container."""
    config, host_config = seen["Config"], seen.get("HostConfig") or {}
    said = config.get("Labels") or {}
    unknown = HealthCheck(path="", port=0, below=0, timeout=0)
    health = health_of(said, unknown)
    return Running(
        tag=said.get(labels.TAG, ""),
        digest=said.get(labels.DIGEST, ""),
        environment=variables(config.get("Env") or ()),
        port=health.port,
        memory=host_config.get("Memory") or None,
        cpus=host_config["NanoCpus"] / 1e9 if host_config.get("NanoCpus") else None,
        mounts=frozenset(bind.removesuffix(":rw") for bind in host_config.get("Binds") or ()),
        user=config.get("User") or "",
        stop_timeout=config.get("StopTimeout"),
        health=None if health == unknown else health,
        confinement=_confinement(host_config),
        in_files=in_files(said),
    )


def as_it_would(release: Release, image: ImageFacts) -> Running:
    """What a release's container would be."""
    spec = release.spec
    return Running(
        tag=release.tag,
        digest=release.digest,
        environment={**image.environment, **spec.variables()},
        port=spec.port,
        memory=spec.memory,
        cpus=spec.cpus,
        mounts=frozenset(str(mount) for mount in spec.mounts),
        user=spec.user or image.user,
        stop_timeout=spec.stop_timeout,
        health=release.health,
        confinement=spec.confinement,
        in_files=spec.in_files,
    )


def _confinement(host_config: Mapping[str, Any]) -> Confinement | None:
    """As `containers.confined` asks for it; the engine shows capabilities with and without CAP_."""
    if not host_config.get("CapDrop"):
        return None
    size = re.search(r"size=(\d+)", (host_config.get("Tmpfs") or {}).get(TMP, ""))
    return Confinement(
        no_new_privileges=any("no-new-privileges" in each for each in host_config.get("SecurityOpt") or ()),
        cap_add=tuple(sorted(name.removeprefix("CAP_") for name in host_config.get("CapAdd") or ())),
        pids_limit=max(0, host_config.get("PidsLimit") or 0),
        tmp_size=int(size[1]) if size else 0,
        read_only=bool(host_config.get("ReadonlyRootfs")),
    )


def compare(old: Running | None, new: Running) -> tuple[Change, ...]:
    """What is different, in the order in which people ask; of variables the names only."""
    return tuple(_differences(old, new))


def _differences(old: Running | None, new: Running) -> Iterator[Change]:
    before, after = _shown(old) if old else {}, _shown(new)
    for what in after | before:
        yield from _changed(what, before.get(what, ""), after.get(what, ""))
    yield from _variables(old.environment if old else {}, new.environment)
    gone = (old.mounts if old else frozenset()) - new.mounts
    yield from (Change(kind="removed", what="mount", was=mount) for mount in sorted(gone))
    added = new.mounts - (old.mounts if old else frozenset())
    yield from (Change(kind="added", what="mount", now=mount) for mount in sorted(added))


def _shown(one: Running) -> dict[str, str]:
    """What has one value each, as people write it; empty where there is none."""
    health = one.health
    return {
        "release": one.tag,
        "digest": one.digest,
        "port": str(one.port or ""),
        "memory": format_memory(one.memory) if one.memory else "",
        "cpus": format_cpus(one.cpus) if one.cpus else "",
        "user": one.user,
        "health check": f"{health.path} below {health.below}" if health else "",
        "health timeout": f"{health.timeout:g} s" if health else "",
        "monitor": f"{health.monitor:g} s" if health else "",
        "stop timeout": f"{one.stop_timeout} s" if one.stop_timeout is not None else "",
        **_confinement_shown(one.confinement),
        "secrets as files": ", ".join(one.in_files),
    }


def _confinement_shown(one: Confinement | None) -> dict[str, str]:
    if one is None:
        return {}
    return {
        "capabilities": ", ".join(one.cap_add) or "none",
        "new privileges": "none" if one.no_new_privileges else "by setuid and file capabilities",
        "processes": f"at most {one.pids_limit}" if one.pids_limit else "",
        TMP: f"{format_memory(one.tmp_size)} in memory" if one.tmp_size else "",
        "root": "read-only" if one.read_only else "",
    }


def _changed(what: str, was: str, now: str) -> Iterator[Change]:
    if was != now:
        kind = "changed" if was and now else "added" if now else "removed"
        yield Change.model_validate({"kind": kind, "what": what, "was": was, "now": now})


def _variables(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """By equality alone: no value leaves this function."""
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield Change(kind="removed", what="environment", name=name)
        elif name not in old:
            yield Change(kind="added", what="environment", name=name)
        elif old[name] != new[name]:
            yield Change(kind="changed", what="environment", name=name)
