"""Rolling the tiny application out to the tests' sandbox, and looking at what came of it."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import docker
import pytest
from pydantic import SecretStr

from deploy.hosts.engine import through
from deploy.registry import open_registry
from deploy.rollout.order import order
from deploy.rollout.repair import Mending, repair
from deploy.rollout.rollback import GoingBack, roll_back
from deploy.rollout.site import Bench
from deploy.rollout.survey import Manner
from deploy.rollout.transaction import roll_out
from deploy.values import labels
from deploy.values.build import Build
from deploy.values.events import Event, Listener, Stream
from deploy.values.inventory import Host
from deploy.values.result import Result
from deploy.values.settings import Settings
from tests.support.leaks import canary
from tests.support.sandbox import ROOT, RunningSandbox, bare_settings
from tests.support.tiny import push_tiny

SECRET = canary("container-secret")
APP = "tiny"


@dataclass
class Releases:
    """The tests' sandbox with the tiny application: builds of it, rollouts, and what answers."""

    sandbox: RunningSandbox
    engine: docker.DockerClient
    root: Path
    """Where failures leave their folders."""
    events: list[Event] = field(default_factory=list)
    acting: list[Listener] = field(default_factory=list)
    """Listeners besides, as `at` sets them."""

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The sandbox's hosts."""
        return self.sandbox.hosts

    def settings(self, *, only: tuple[Host, ...] = (), **changes: Any) -> Settings:
        """Settings that roll out fast: nothing is monitored unless the test asks; to `only` these hosts."""
        known: dict[str, Any] = {
            "app_name": APP,
            "memory": 64 * 2**20,
            "monitor": 0,
            "health_timeout": 15,
            "stop_timeout": 5,
            "drain_timeout": 5,
            "secrets": {"TOKEN": SecretStr(SECRET)},
        }
        given = bare_settings(**{**known, "image": known["app_name"], **changes})
        own: dict[str, Any] = {
            key: changes[key] for key in ("proxy_image", "registry_trust") if key in changes
        }
        chosen = {"hosts": only} if only else {}
        return self.sandbox.sandbox.apply(given).model_copy(update={**own, **chosen})

    def build(self, version: str, *, proxy_image: str = "", **options: Any) -> Build:
        """A build in the registry, which shows its version; made once for all tests of a process."""
        settings = self.settings(proxy_image=proxy_image) if proxy_image else self.settings()
        wanted = (version, proxy_image, *sorted(options.items()))
        if wanted not in self.sandbox.builds:
            self.sandbox.builds[wanted] = push_tiny(self.engine, settings, version, Stream(), **options)
        return self.sandbox.builds[wanted]

    def deploy(
        self,
        build: Build,
        *,
        force: bool = False,
        adopt: bool = False,
        manner: Manner | None = None,
        **changes: Any,
    ) -> Result:
        """Roll a build out, as `deploy --build` does."""
        settings = self.settings(**changes)
        rollout = order(
            build,
            settings,
            info=None,
            now=datetime.now(UTC),
            deployed_by="tester@desk",
            force=force,
            adopt=adopt,
            manner=manner,
        )
        self.events.clear()
        return roll_out(rollout, Bench(root=self.root, mask=mask), Stream(self.events.append, *self.acting))

    def roll_back(self, to: str = "", *, current_settings: bool = False, **changes: Any) -> Result:
        """Go back to an earlier release, as `rollback` does."""
        settings = self.settings(**changes)
        wish = GoingBack(
            settings=settings,
            to=to,
            current_settings=current_settings,
            manner=Manner(),
            now=datetime.now(UTC),
            deployed_by="other@desk",
            registry=lambda: open_registry(settings, None),
            learn=lambda secrets: None,
        )
        self.events.clear()
        return roll_back(wish, Bench(root=self.root, mask=mask), Stream(self.events.append, *self.acting))

    def repair(self, **changes: Any) -> Result:
        """Bring the fleet to one release, as `repair` does."""
        settings = self.settings(**changes)
        wish = Mending(
            settings=settings,
            manner=Manner(wait=25),
            now=datetime.now(UTC),
            by="other@desk",
            learn=lambda secrets: None,
            registry=lambda: open_registry(settings, None),
        )
        self.events.clear()
        return repair(wish, Bench(root=self.root, mask=mask), Stream(self.events.append, *self.acting))

    @contextmanager
    def at(self, step: str, host: Host, act: Callable[[], object]) -> Iterator[None]:
        """Do something when a rollout begins a step on a host, before it goes on; once."""
        done: list[Event] = []

        def listener(event: Event) -> None:
            if (event.kind, event.step, event.host) == ("started", step, host.name) and not done:
                done.append(event)
                act()

        self.acting.append(listener)
        try:
            yield
        finally:
            self.acting.remove(listener)
        assert done, f"no step {step} on {host.name}"

    @contextmanager
    def listening(self, host: Host, port: int) -> Iterator[None]:
        """Have a program that is no container hold a port of ``host`` in here."""
        pid = self.sandbox.run(host, f"nc -lk {port} >/dev/null 2>&1 & echo $!").strip()
        try:
            yield
        finally:
            self.sandbox.run(host, f"kill {pid}")

    def candidate(self) -> str:
        """The name of the container that the last rollout made."""
        return next(event.text for event in self.events if event.step == "create")

    def answer(self, host: Host, path: str = "/", **request: Any) -> str:
        """What a user gets at the host's APP_PORT; the status when it is an error."""
        asked = urllib.request.Request(host.url + path, **request)  # only ever the sandbox's own
        try:
            with urllib.request.urlopen(asked, timeout=10) as response:
                return str(response.read().decode())
        except HTTPError as error:
            return str(error.code)

    def version(self, host: Host) -> str:
        """The version that a user is shown."""
        shown = dict(part.split("=", 1) for part in self.answer(host).split() if "=" in part)
        return shown.get("version", "")

    def versions(self) -> list[str]:
        """What users are shown, host by host."""
        return [self.version(host) for host in self.hosts]

    def containers(self, host: Host) -> dict[str, dict[str, Any]]:
        """Every container on a host, by name, as `docker inspect` shows it."""
        with self.sandbox.connect(host) as connection, closing(through(connection)) as client:
            every = client.api.containers(all=True)
            seen = [client.api.inspect_container(each["Id"]) for each in every]
        return {each["Name"].lstrip("/"): each for each in seen}

    def names(self, host: Host) -> set[str]:
        """The names of every container on a host."""
        return set(self.containers(host))

    def steps(self, host: Host) -> list[str]:
        """The steps that the last rollout began on a host."""
        return [event.step for event in self.events if event.kind == "started" and event.host == host.name]

    def untouched(self, host: Host) -> bool:
        """Whether the last rollout began nothing on a host."""
        return not self.steps(host)

    def start_process(self, build: Build, *options: str, **changes: str) -> "subprocess.Popen[str]":
        """`invoke deploy --build=…` as a process of its own, told everything by its environment."""
        words = ("deploy", f"--build={self.build_file(build)}", *options)
        return invoke(*words, folder=self.root, environ=self.environ(**changes))

    def build_file(self, build: Build) -> Path:
        """A build as `deploy --build` reads it."""
        (self.root / ".env.dev").touch()
        file = self.root / f"build-{build.tag}.json"
        file.write_text(build.model_dump_json())
        return file

    def environ(self, **changes: str) -> dict[str, str]:
        """The settings as a process reads them."""
        known = {
            **self.sandbox.environment(),
            "APP_NAME": APP,
            "APP_SOURCE": ".",
            "MEMORY": "64m",
            "MONITOR": "0",
            "HEALTH_TIMEOUT": "15",
            "STOP_TIMEOUT": "5",
            "DRAIN_TIMEOUT": "5",
            "SECRET_TOKEN": SECRET,
            **changes,
        }
        return {f"JARSHIP_{key}": value for key, value in known.items()}


def mask(text: str) -> str:
    """As a task masks what it writes."""
    return text.replace(SECRET, "****")


def invoke(*words: str, folder: Path, environ: Mapping[str, str]) -> "subprocess.Popen[str]":
    """A task as a process, in a folder that is nobody's clone; its settings are all in its environment."""
    (folder / ".env.dev").touch()
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", f"--search-root={ROOT}", *words],
        cwd=folder,
        env={**own_environment(), **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def own_environment() -> dict[str, str]:
    """The tests' environment without settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith("JARSHIP_")}


def read_until(process: "subprocess.Popen[str]", pattern: str, *, seconds: float = 60) -> str:
    """Read what a process says on standard error until a line fits; returns what it said so far.

    Raises:
        AssertionError: it ended, or the time was over, before such a line.
    """
    assert process.stderr is not None
    said = ""
    deadline = time.monotonic() + seconds
    for line in process.stderr:
        said += line
        if re.search(pattern, line):
            return said
        assert time.monotonic() < deadline, f"no {pattern!r} in time:\n{said}"
    raise AssertionError(f"it ended before {pattern!r}:\n{said}")


def role(container: Mapping[str, Any], name: str) -> bool:
    """Whether a container plays a role: `app` or `proxy`."""
    return bool(container["Config"]["Labels"].get(labels.ROLE) == name)


@pytest.fixture
def releases(sandbox: RunningSandbox, engine: docker.DockerClient, tmp_path: Path) -> Releases:
    """The tests' sandbox with nothing deployed."""
    return Releases(sandbox=sandbox, engine=engine, root=tmp_path)
