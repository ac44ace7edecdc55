"""What is refused before the registry or a host is asked."""

from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.rollout.order import order
from deploy.values.build import Build, Jar, Source
from deploy.values.errors import InputError
from deploy.values.inventory import Host
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


def test_balancers_that_would_not_be_heeded() -> None:
    assert "BALANCERS is set" in refused(balancers=(Host(name="lb", address="192.0.2.20"),))
