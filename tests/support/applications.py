"""The applications that tests build and deploy: real ones, built once a session."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from deploy.artifact.jar import build_jar
from deploy.preparing import alone
from deploy.setup.machine import ensure_jdk
from deploy.values.build import Build
from deploy.values.events import Event, Stream
from tests.support.settings import make_settings

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "examples/hello"
PLAIN = ROOT / "tests/data/plain"
PAGE = "src/main/java/com/example/hello/HelloController.java"
"""Where the page of the example application is written."""


@dataclass(frozen=True, kw_only=True)
class Application:
    """A copy of an application's source at `root`/app, and what building it gave."""

    root: Path
    build: Build
    events: tuple[Event, ...] = ()

    @property
    def jar(self) -> Path:
        """The jar."""
        return self.root / self.build.jar.path


def copy_application(source: Path, root: Path) -> Path:
    """Copy an application without what was built in it; it has the example's Maven wrapper."""
    folder = root / "app"
    copy_files(source, folder)
    shutil.copytree(HELLO / ".mvn", folder / ".mvn", dirs_exist_ok=True)
    shutil.copy2(HELLO / "mvnw", folder / "mvnw")
    return folder


def copy_files(source: Path, folder: Path) -> None:
    """Copy an application's files into a directory, without what was built in it."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("target"), dirs_exist_ok=True)


def build_application(root: Path, *, force: bool = False, **changes: Any) -> Application:
    """Build what `copy_application` copied."""
    setup: Literal["auto", "never"] = "never" if os.environ.get("JARSHIP_SETUP") == "never" else "auto"
    with alone():
        ensure_jdk(Stream(), setup)
    events: list[Event] = []
    settings = make_settings(**({"app_source": "app"} | changes))
    build = build_jar(settings, root, force=force, stream=Stream(events.append))
    return Application(root=root, build=build, events=tuple(events))


@pytest.fixture(scope="session")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The example application, built; not to be changed."""
    root = tmp_path_factory.mktemp("hello")
    copy_application(HELLO, root)
    return build_application(root)


@pytest.fixture(scope="session")
def hello_jar(hello: Application) -> Path:
    """The example application's jar."""
    return hello.jar


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """An application without actuator, built; not to be changed."""
    root = tmp_path_factory.mktemp("plain")
    copy_application(PLAIN, root)
    return build_application(root)
