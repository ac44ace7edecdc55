"""What decides about an image before an engine is asked; tests/integration/test_image.py builds them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import requests
from docker import DockerClient
from docker.errors import APIError

from deploy.artifact import image
from deploy.artifact.engine_build import Recipe, read_build
from deploy.artifact.image import build_image, image_labels
from deploy.artifact.layers import split_jar
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from tests.support.boot_jars import write_boot_jar
from tests.support.builds import build_of_jar, some_source
from tests.support.settings import make_settings

RECIPE = Recipe(
    dockerfile="FROM scratch",
    base="base:1",
    base_id="sha256:0",
    platform="linux/amd64",
    labels={"a": "b"},
    jar_sha256="0" * 64,
    repository="app",
    application_time=1,
)


@pytest.mark.parametrize(
    "change",
    [
        {"dockerfile": "FROM other"},
        {"base_id": "sha256:1"},
        {"platform": "linux/arm64"},
        {"labels": {"a": "c"}},
        {"jar_sha256": "1" * 64},
        {"application_time": 2},
        {"context": "0" * 64},
    ],
)
def test_whatever_goes_into_an_image_gives_it_another_name(change: dict[str, Any]) -> None:
    assert replace(RECIPE, **change).name != RECIPE.name


def test_the_same_base_by_another_name_gives_the_same_image() -> None:
    assert replace(RECIPE, base="base:2").name == RECIPE.name


def test_a_commit_gives_the_application_its_time_and_without_one_its_newest_class(tmp_path: Path) -> None:
    split = split_jar(write_boot_jar(tmp_path / "a.jar"))
    assert (
        image._application_time(some_source(committed_at="2026-03-04T06:06:07+01:00"), split) == 1_772_600_767
    )
    assert image._application_time(some_source(dirty=True), split) == split.newest
    assert image._application_time(some_source(commit="", committed_at=""), split) == split.newest


def test_a_dirty_tree_is_told_in_the_revision(tmp_path: Path) -> None:
    build = build_of_jar(write_boot_jar(tmp_path / "a.jar"), source=some_source(dirty=True))
    assert image_labels(build, "app")["org.opencontainers.image.revision"].endswith("-dirty")


def test_an_error_among_the_events_of_a_build_ends_it_with_its_last_lines() -> None:
    events: Iterator[dict[str, Any]] = iter(
        [
            {"stream": "Step 1/9 : FROM base\n"},
            {"stream": " ---> 0123\n"},
            {"errorDetail": {"message": "no space left on device"}, "error": "no space left on device"},
        ]
    )
    with pytest.raises(BuildError, match="could not be built") as refused:
        read_build(events)
    assert refused.value.why == "no space left on device"
    assert refused.value.details == ("Step 1/9 : FROM base", " ---> 0123")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (APIError("500", explanation="the engine's own words"), "the engine's own words"),
        (requests.ConnectionError("engine gone"), "engine gone"),
    ],
)
def test_an_engine_that_fails_is_a_failure_of_the_build(tmp_path: Path, error: Exception, words: str) -> None:
    class Failing:
        def version(self) -> dict[str, str]:
            raise error

    build = build_of_jar(write_boot_jar(tmp_path / "a.jar"))
    with pytest.raises(BuildError, match="Docker Engine") as refused:
        build_image(build, make_settings(), tmp_path, cast("DockerClient", Failing()), Stream())
    assert words in refused.value.why
