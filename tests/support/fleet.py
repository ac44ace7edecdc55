"""A release, facts and containers for the tests of what is decided without a host."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from deploy.rollout.found import entry_of, history_of
from deploy.rollout.plan import Wishes
from deploy.rollout.release import fingerprint
from deploy.values import history, labels
from deploy.values.addresses import Published
from deploy.values.facts import ContainerFacts, HostFacts, PublishedPort
from deploy.values.inventory import Host
from deploy.values.release import ContainerSpec, HealthCheck, Release, proxy_name
from deploy.values.sizes import Batch

DIGEST = "sha256:" + "a" * 64
MADE_FROM = "proxy@sha256 8080 abc"


def a_release(identity: str = "20260101000003-cccc", **changes: Any) -> Release:
    spec = changes.pop("spec", ContainerSpec(environment={"PROFILE": "dev"}, port=8080))
    release = Release(
        id=identity,
        app="hello",
        profile="dev",
        image=f"registry:5000/hello@{changes.pop('digest', DIGEST)}",
        digest=DIGEST,
        tag=changes.pop("tag", "1.0-abcdef0"),
        proxy_image=f"registry:5000/proxy@{DIGEST}",
        deployed_by="dev@desk",
        deployed_at="2026-01-01T00:00:03Z",
        spec=spec,
        health=HealthCheck(path="/", port=8080, below=500, timeout=10, monitor=changes.pop("monitor", 0)),
    )
    return replace(release, fingerprint=fingerprint(release, salt=release.id), **changes)


def a_container(
    release: Release | None = None,
    *,
    name: str = "hello",
    state: str = "running",
    before: ContainerFacts | None = None,
    published: tuple[int, ...] = (),
    extra: dict[str, str] | None = None,
) -> ContainerFacts:
    told = (
        {
            labels.APP: release.app,
            labels.PROFILE: release.profile,
            labels.ROLE: "app",
            labels.RELEASE: release.id,
            labels.DIGEST: release.digest,
            labels.TAG: release.tag,
            labels.SETTINGS: release.fingerprint,
            labels.HISTORY: history.write((entry_of(before), *history_of(before)) if before else ()),
            **({labels.ORIGIN: release.origin} if release.origin else {}),
        }
        if release
        else {}
    )
    return ContainerFacts(
        id=f"id-of-{release.id if release else name}",
        name=name,
        state=state,
        image="image",
        image_id=DIGEST,
        labels=told | (extra or {}),
        published=tuple(
            PublishedPort(address="0.0.0.0", port=port, container_port=8080) for port in published
        ),
    )


def a_proxy(
    made_from: str = MADE_FROM, port: int = 8080, *, name: str = "", state: str = "running"
) -> ContainerFacts:
    told = {labels.APP: "hello", labels.ROLE: "proxy", labels.PROXY: made_from}
    published = (port,) if state == "running" else ()
    return a_container(name=name or proxy_name("hello"), extra=told, published=published, state=state)


def host_facts(*containers: ContainerFacts, **changes: Any) -> HostFacts:
    facts = HostFacts(
        host=Host(name="h1", address="192.0.2.1"),
        engine_id="E",
        engine_version="26.1.5",
        api_version="1.45",
        os="linux",
        architecture="amd64",
        cpus=2,
        data_root="/var/lib/docker",
        remapped_users=False,
        memory_total=2**30,
        memory_available=2**29,
        disk_free=10**10,
        inodes_free=10**6,
        listening=(22,),
        clock=0.0,
        clock_offset=0.0,
        boot_id="boot",
        has_flock=True,
        user="deploy",
        groups=("docker",),
        home="/home/deploy",
        mounts={},
        log=None,
        containers=containers,
    )
    return replace(facts, **changes)


def wishes(**changes: Any) -> Wishes:
    return replace(
        Wishes(
            app_port=Published(port=8080),
            batch=Batch(count=1),
            keep_releases=3,
            drain_timeout=30,
            proxy_made_from=MADE_FROM,
        ),
        **changes,
    )


def a_session(**given: Any) -> Any:
    """What leads to a host that is always there, with these parts."""
    return SimpleNamespace(**{"connection": None, "owner": None, "is_held": lambda: True, **given})
