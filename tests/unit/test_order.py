from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.rollout.nginx import nginx_version
from deploy.rollout.order import order, refuse_old_nginx
from deploy.rollout.release import ImageFacts, health_of_settings, image_facts
from deploy.values.build import Build, Jar, Source
from deploy.values.errors import InputError
from deploy.values.images import Layer
from tests.support.settings import make_settings

HASH = "0" * 64
JAR = Jar(
    path="a.jar",
    sha256=HASH,
    size=1,
    version="1",
    boot_version="3.5",
    start_class="A",
    layers=(),
    actuator=True,
)


def refused(app: str = "hello", **settings: Any) -> str:
    build = Build(app=app, source=Source(path=".", content_hash=HASH), jar=JAR)
    with pytest.raises(InputError) as raised:
        order(
            build,
            make_settings(**settings),
            info=None,
            now=datetime(2026, 1, 1, tzinfo=UTC),
            deployed_by="dev@desk",
            force=False,
        )
    return f"{raised.value.what} {raised.value.advice}"


def test_a_build_that_was_not_pushed_names_the_task() -> None:
    assert "invoke push" in refused()


def test_a_build_of_another_application() -> None:
    assert "of other" in refused(app="other")


def proxy(*environment: str) -> ImageFacts:
    return image_facts({"config": {"Env": ["PATH=/usr/bin", *environment]}, "architecture": "amd64"})


@pytest.mark.parametrize("version", ["1.27.3", "1.26.3", "1.9.15", "0.8"])
def test_a_proxy_older_than_its_configuration_is_refused(version: str) -> None:
    with pytest.raises(InputError, match="oldest") as raised:
        refuse_old_nginx(proxy(f"NGINX_VERSION={version}"), "nginx:old")
    assert f"PROXY_IMAGE=nginx:old is nginx {version}; 1.27.4 is" in raised.value.what
    assert "invoke push" in raised.value.advice


@pytest.mark.parametrize("entry", ["NGINX_VERSION=1.27.4", "NGINX_VERSION=1.30", "NGINX_VERSION=", "OTHER=1"])
def test_one_that_is_new_enough_or_does_not_say_passes(entry: str) -> None:
    refuse_old_nginx(proxy(entry), "nginx:new")


def test_versions_compare_by_their_numbers() -> None:
    assert nginx_version("1.9.15 (Ubuntu)") == (1, 9, 15)
    assert nginx_version("1.30.0\n") == (1, 30, 0)
    assert nginx_version("openresty") is None


def test_an_image_is_read_with_the_sizes_that_its_manifest_has() -> None:
    config = {
        "os": "linux",
        "architecture": "arm64",
        "config": {
            "User": "10001",
            "Labels": {"a": "b"},
            "Env": ["A=x=y", "B="],
            "Entrypoint": ["java"],
            "Cmd": ["-jar"],
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]},
    }
    image = image_facts(config, [10, 20])
    assert (image.platform, image.user, image.labels) == ("linux/arm64", "10001", {"a": "b"})
    assert image.environment == {"A": "x=y", "B": ""}
    assert image.command == ("java", "-jar")
    assert image.layers == (Layer(diff_id="sha256:1", size=10), Layer(diff_id="sha256:2", size=20))


def test_an_image_that_says_nothing() -> None:
    image = image_facts({"config": {"Env": None, "Cmd": None}})
    assert (image.environment, image.command, image.layers) == ({}, (), ())


@pytest.mark.parametrize(
    ("test", "brings_one"), [(["CMD", "/check"], True), (["NONE"], False), ([], False), (None, False)]
)
def test_whether_an_image_brings_a_healthcheck(test: list[str] | None, brings_one: bool) -> None:
    image = image_facts({"config": {"Healthcheck": {"Test": test}}})
    assert image.has_healthcheck is brings_one
    assert health_of_settings(image, make_settings()).by_image is brings_one
    assert not health_of_settings(image, make_settings(health_path="/up")).by_image
