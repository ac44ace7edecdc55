"""A Docker engine in memory, under the real steps of a rollout; it can be killed at any of its calls."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from docker.errors import NotFound

from deploy.rollout import adopt, health, nginx, proxy, pull, steps
from deploy.rollout.found import Found, find
from deploy.rollout.health import Unhealthy
from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.addresses import Published
from deploy.values.adopting import Adopted
from deploy.values.events import Stream
from deploy.values.facts import ContainerFacts, PublishedPort
from deploy.values.inventory import Host
from deploy.values.plan import Plan
from deploy.values.release import proxy_name
from deploy.values.steps import Step
from tests.support.fleet import host_facts

APP = "hello"


class Killed(BaseException):
    """The deployer was killed."""


@dataclass
class Fuse:
    """Counts what is changed on all hosts, and kills the deployer at one of these changes."""

    left: int | None = None
    count: int = 0

    def burn(self) -> None:
        self.count += 1
        if self.left is not None and self.count > self.left:
            raise Killed


@dataclass
class Container:
    id: str
    name: str
    labels: dict[str, str]
    policy: str
    created: int
    state: str = "created"
    file: str = ""
    """A proxy's: the alias that is written there."""
    loaded: str = ""
    """A proxy's: the alias that its workers send to."""

    @property
    def publishes(self) -> bool:
        """Whether it has APP_PORT while it runs: a proxy, or what somebody else started."""
        return self.labels.get(labels.ROLE) != "app"


@dataclass
class Engine:
    """One host's. As Docker's, so far as the steps use it."""

    fuse: Fuse
    containers_: dict[str, Container] = field(default_factory=dict)
    made: int = 0

    def __getattr__(self, name: str) -> Any:
        if name in {"create_host_config", "create_networking_config", "create_endpoint_config"}:
            return lambda *_, **given: given
        raise AttributeError(name)

    def get(self, name: str) -> Container:
        for item in self.containers_.values():
            if name in {item.id, item.name}:
                return item
        raise NotFound(f"no {name}")

    def create_container(self, *, name: str, **given: Any) -> dict[str, str]:
        assert all(item.name != name for item in self.containers_.values()), f"{name} is taken"
        self.fuse.burn()
        self.made += 1
        policy = given["host_config"]["restart_policy"]["Name"]
        made = Container(
            id=f"c{self.made}", name=name, labels=dict(given["labels"]), policy=policy, created=self.made
        )
        self.containers_[made.id] = made
        return {"Id": made.id}

    def start(self, name: str) -> None:
        self.fuse.burn()
        item = self.get(name)
        others = [other for other in self.containers_.values() if other is not item]
        taken = [other.name for other in others if other.publishes and other.state == "running"]
        assert not (item.publishes and taken), f"{name} cannot have the port of {taken}"
        item.state, item.loaded = "running", item.file

    def run_by_hand(self, name: str, policy: str) -> Container:
        """As `docker run` does."""
        foreign = Container(id=f"{name}-by-hand", name=name, labels={}, policy=policy, created=0)
        self.containers_[foreign.id] = foreign
        self.start(foreign.id)
        return foreign

    def stop(self, name: str, timeout: int = 0) -> None:
        self.fuse.burn()
        item = self.get(name)
        item.state = "exited" if item.state == "running" else item.state

    def rename(self, name: str, new: str) -> None:
        assert all(item.name != new for item in self.containers_.values()), f"{new} is taken"
        self.fuse.burn()
        self.get(name).name = new

    def update_container(self, name: str, *, restart_policy: dict[str, str]) -> None:
        self.fuse.burn()
        self.get(name).policy = restart_policy["Name"]

    def remove_container(self, name: str, **_: Any) -> None:
        self.fuse.burn()
        del self.containers_[self.get(name).id]

    def inspect_container(self, name: str) -> dict[str, Any]:
        item = self.get(name)
        state = {"Running": item.state == "running"}
        return {"Id": item.id, "Name": f"/{item.name}", "State": state, "Config": {"Labels": item.labels}}

    def put(self, name: str, alias: str) -> None:
        self.fuse.burn()
        self.get(name).file = alias

    def reload(self, name: str) -> None:
        self.fuse.burn()
        item = self.get(name)
        assert item.state == "running", f"{name} does not run"
        item.loaded = item.file

    def networks(self, **_: Any) -> list[str]:
        return ["there"]

    def remove_network(self, _: str) -> None:
        """There are others on it."""

    def sends_to(self) -> str:
        running = [item for item in self.containers_.values() if item.name == proxy_name(APP)]
        return running[0].loaded if running and running[0].state == "running" else ""


@dataclass
class Fleet:
    """Hosts with such engines."""

    names: tuple[str, ...]
    fuse: Fuse = field(default_factory=Fuse)

    def __post_init__(self) -> None:
        self.engines = {name: Engine(self.fuse) for name in self.names}
        nothing: Any = None
        self.sites = {
            name: _FakeSite(
                host=Host(name=name, address=name),
                session=nothing,
                stream=Stream(),
                engine=engine,
            )
            for name, engine in self.engines.items()
        }

    def found(self, at: Published | None = None) -> dict[str, Found]:
        """What a rollout would find; with APP_PORT also what it may adopt."""
        return {
            name: find(
                host_facts(*(_facts(item) for item in engine.containers_.values())),
                app=APP,
                profile="dev",
                sends_to=engine.sends_to(),
                at=at,
                answered=True,
            )
            for name, engine in self.engines.items()
        }

    def carry_out(self, plan: Plan) -> list[tuple[str, Step]]:
        """Do a plan, host after host; returns what was begun, unless it is killed."""
        begun = []
        with _real_steps():
            for stage in plan.stages:
                for batch in stage.batches:
                    for work in batch:
                        for step in work.steps:
                            begun.append((work.host, step))
                            steps.do(step, self.sites[work.host])
        return begun

    def undo(self, begun: list[tuple[str, Step]]) -> None:
        """Undo what was begun, last first."""
        with _real_steps():
            for host, step in reversed(begun):
                steps.undo(step, self.sites[host])

    def running(self, host: str) -> list[str]:
        """The releases that run on a host."""
        every = self.engines[host].containers_.values()
        apps = [item for item in every if item.labels.get(labels.ROLE) == "app"]
        return [item.labels[labels.RELEASE] for item in apps if item.state == "running"]

    def after_a_reboot(self, host: str) -> list[str]:
        """The releases that would run there after a reboot."""
        every = self.engines[host].containers_.values()
        apps = [item for item in every if item.labels.get(labels.ROLE) == "app"]
        return [
            item.labels[labels.RELEASE]
            for item in apps
            if item.state == "running" and item.policy == "unless-stopped"
        ]


@dataclass(frozen=True, kw_only=True)
class _FakeSite(Site):
    engine: Engine

    @property
    def api(self) -> Any:
        return self.engine

    def pause(self, seconds: float) -> None:
        """Waits for nothing."""


def _facts(item: Container) -> ContainerFacts:
    return ContainerFacts(
        id=item.id,
        name=item.name,
        state=item.state,
        image="image",
        image_id="image",
        labels=item.labels,
        published=(PublishedPort(address="0.0.0.0", port=8080, container_port=8080),)
        if item.publishes and item.state == "running"
        else (),
        created_at=float(item.created),
        inspected=True,
        restart_policy=item.policy,
    )


@contextmanager
def _real_steps() -> Iterator[None]:
    """The steps, with what asks containers and images put in place."""

    def switch(site: Any, app: str, alias: str, port: int) -> None:
        name = proxy_name(app)
        site.api.put(name, alias)
        if site.api.sends_to() != alias:
            site.api.reload(name)

    def put(site: Any, name: str, files: dict[str, str]) -> None:
        site.api.put(name, files["jarship/upstream.conf"].split()[1])

    def back(site: Any, adopted: Adopted, timeout: float) -> None:
        if site.api.get(adopted.id).state != "running":
            raise Unhealthy("It is not back.")

    def healthy(site: Any, container: str, check: object) -> None:
        if site.api.get(container).state != "running":
            raise Unhealthy("It does not run.")

    def through(site: Any, app: str, check: object) -> None:
        alias = site.api.sends_to()
        serving = [f"r{item.labels.get(labels.RELEASE)}" for item in site.api.containers_.values()
                   if item.state == "running"]  # fmt: skip
        if alias not in serving:
            raise Unhealthy(f"The proxy sends to {alias}, and there is {json.dumps(serving)}.")

    with (
        patch.object(adopt, "await_answer", back),
        patch.object(pull, "present", lambda *_: True),
        patch.object(steps, "pull", lambda *_, **__: None),
        patch.object(steps, "tidy", lambda *_: None),
        patch.object(health, "await_healthy", healthy),
        patch.object(health, "monitor", healthy),
        patch.object(proxy, "introduce", lambda *_: None),
        patch.object(proxy, "switch", switch),
        patch.object(nginx, "put", put),
        patch.object(nginx, "refuse_old", lambda *_, **__: None),
        patch.object(proxy, "await_drained", lambda *_: True),
        patch.object(proxy, "await_through", through),
    ):
        yield
