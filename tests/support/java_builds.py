"""Builds of real applications, pushed to the tests' sandbox, and settings to roll them out."""

from typing import Any

from deploy.artifact.image import build_image
from deploy.artifact.push import push
from deploy.values.build import Build
from deploy.values.events import Stream
from tests.support.applications import Application
from tests.support.images import OURS
from tests.support.rollouts import Releases
from tests.support.sandbox import ROOT

MIB = 2**20
WISH: dict[str, Any] = {
    "app_name": "hello",
    "image": f"{OURS}/hello",
    "memory": 384 * MIB,
    "health_timeout": 120,
    "stop_timeout": 30,
}
"""What an application with Java is rolled out with."""


def push_application(
    releases: Releases, application: Application, *, tag: str = "1.0.0-test", **changes: Any
) -> Build:
    """Make the image of an application that was built, and push it."""
    settings = releases.settings(**{**WISH, **changes})
    jar = application.build.jar.model_copy(update={"path": str(application.jar)})
    build = application.build.model_copy(update={"jar": jar})
    made = build_image(build, settings, ROOT, releases.engine, Stream())
    return push(made.model_copy(update={"tag": tag}), settings, releases.engine, Stream())
