"""Plans of the fleet in `tests.support.fleet`, made without a host."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from deploy.rollout.found import find
from deploy.rollout.plan import make_plan
from deploy.rollout.preview import preview
from deploy.rollout.refusals import Wanted
from deploy.rollout.release import ImageFacts
from deploy.rollout.running import Running, as_it_would
from deploy.rollout.strategy import choose
from deploy.rollout.survey import Rollout, Survey
from deploy.values.build import Build, Pushed
from deploy.values.facts import ContainerFacts, HostFacts
from deploy.values.images import Content, Layer
from deploy.values.inventory import Host, Inventory
from deploy.values.planned import Planned
from deploy.values.release import ContainerSpec, Release
from tests.support.builds import some_jar, some_source
from tests.support.fleet import DIGEST, a_container, a_proxy, a_release, host_facts, wishes

SECRET = "canary-of-a-plan-7391"
OLD_DIGEST = "sha256:" + "b" * 64
OLD = a_release(
    "20260101000001-aaaa",
    tag="0.9-1234567",
    digest=OLD_DIGEST,
    spec=ContainerSpec(environment={"PROFILE": "dev", "TOKEN": "an-older-secret", "GONE": "1"}, port=8080),
)
OLD = replace(OLD, digest=OLD_DIGEST)
NEW = a_release(
    "20260101000009-eeee",
    spec=ContainerSpec(
        environment={"PROFILE": "dev", "TOKEN": SECRET, "GREETING": "hello"}, port=8080, memory=300 * 2**20
    ),
)
IMAGE = ImageFacts(
    platform="linux/amd64",
    user="10001:10001",
    labels={},
    environment={"PROFILE": "prod", "JAVA_TOOL_OPTIONS": "-XX:MaxRAMPercentage=75"},
    command=("java", "Main"),
    layers=(Layer(diff_id="base", size=30_000_000), Layer(diff_id="code", size=12_000)),
)
HOST = Host(name="h1", address="192.0.2.1", url="http://192.0.2.1:8080")


def a_rollout(release: Release = NEW, **changes: Any) -> Rollout:
    """A rollout to the one host."""
    return Rollout(
        wanted=Wanted(
            release=release,
            platforms=("linux/amd64",),
            app_port=wishes().app_port,
            strategy=changes.pop("strategy", "auto"),
            user=(10001, 10001),
            contents=(Content(image=release.image, layers=IMAGE.layers),),
        ),
        wishes=wishes(**changes),
        inventory=Inventory(hosts=(HOST,)),
        registry_auth=None,
        image=IMAGE,
    )


def a_survey(
    rollout: Rollout,
    *containers: ContainerFacts,
    sends_to: str = OLD.alias,
    healthy: bool = True,
    **facts: Any,
) -> Survey:
    """The host with these containers, or with the old release behind a proxy."""
    here: HostFacts = replace(host_facts(*(containers or (a_container(OLD), a_proxy())), **facts), host=HOST)
    release = rollout.wanted.release
    found = {"h1": find(here, app="hello", profile="dev", sends_to=sends_to)}
    ways = {"h1": choose(rollout.wanted.strategy, release, here, found["h1"])}
    wish = rollout.wishes if healthy else replace(rollout.wishes, force=True)
    plan = make_plan(release, found, ways, wish)
    return Survey(facts={"h1": here}, found=found, plan=plan, healthy=healthy)


def a_plan(
    rollout: Rollout | None = None, survey: Survey | None = None, *, running: Release = OLD
) -> Planned:
    """What `plan` would make of it."""
    rollout = rollout or a_rollout()
    survey = survey or a_survey(rollout)
    runs: Running | None = as_it_would(running, IMAGE) if survey.found["h1"].serving else None
    return preview(a_build(), rollout, survey, {"h1": runs}, now=datetime(2026, 1, 1, tzinfo=UTC))


def a_build() -> Build:
    """A pushed build."""
    pushed = Pushed(
        registry="registry:5000",
        repository="hello",
        tag="1.0-abcdef0",
        digest=DIGEST,
        proxy_repository="hello-proxy",
        proxy_digest=DIGEST,
    )
    return Build(app="hello", source=some_source(), jar=some_jar(), pushed=pushed)
