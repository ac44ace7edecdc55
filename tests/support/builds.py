"""Builds for tests: what the tasks would hand on, without their files."""

import hashlib
from pathlib import Path
from typing import Any

import docker

from deploy.artifact.boot_jar import read_boot_jar
from deploy.values.build import Build, Image, Jar, Source

COMMIT = "0123456789abcdef0123456789abcdef01234567"
COMMITTED_AT = "2026-03-04T05:06:07Z"


def some_source(**given: Any) -> Source:
    """A clean commit, unless told otherwise."""
    content = {
        "path": "app",
        "commit": COMMIT,
        "committed_at": COMMITTED_AT,
        "author": "Ada",
        "subject": "Change the page",
        "content_hash": hashlib.sha256(repr(given).encode()).hexdigest(),
    }
    return Source(**{**content, **given})


def some_jar(seed: str = "") -> Jar:
    """A jar that does not exist, one for each seed."""
    return Jar(
        path="app.jar",
        sha256=hashlib.sha256(seed.encode()).hexdigest(),
        size=1,
        version="1",
        boot_version="3.5.0",
        start_class="com.example.Application",
        layers=(),
        actuator=False,
    )


def build_of_jar(path: Path, *, app: str = "demo", source: Source | None = None) -> Build:
    """The build that `jar` would have made."""
    boot, content = read_boot_jar(path), path.read_bytes()
    jar = Jar(
        path=str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        version=boot.version,
        boot_version=boot.boot_version,
        start_class=boot.start_class,
        layers=boot.layers,
        actuator=boot.actuator,
    )
    return Build(app=app, source=source or some_source(), jar=jar)


def build_of_image(
    client: docker.DockerClient, image: str, *, tag: str, tag_given: bool = False, app: str = "demo"
) -> Build:
    """The build that `image` and `tag` would have made; its jar does not exist."""
    found = client.images.get(image)
    platform = f"{found.attrs['Os']}/{found.attrs['Architecture']}"
    made = Image(
        id=found.id or "", diff_ids=tuple(found.attrs["RootFS"]["Layers"]), platform=platform, base="scratch"
    )
    return Build(app=app, source=some_source(), jar=some_jar(tag), image=made, tag=tag, tag_given=tag_given)
