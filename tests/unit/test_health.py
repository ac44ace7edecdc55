import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.rollout import health
from deploy.rollout.health import Unhealthy, await_healthy, monitor, probe
from deploy.rollout.site import Site
from deploy.values.events import Stream
from deploy.values.release import HealthCheck

CHECK = HealthCheck(path="/", port=8080, below=500, timeout=5, monitor=0.01)


class Engine:
    """Tells of one container, whose restarts grow as told, and end there."""

    def __init__(self, *restarts: int) -> None:
        self._restarts = list(restarts)

    def inspect_container(self, _: str) -> dict[str, Any]:
        count = self._restarts.pop(0) if len(self._restarts) > 1 else self._restarts[0]
        return {
            "State": {"Running": True, "Restarting": False, "ExitCode": 3, "OOMKilled": False},
            "RestartCount": count,
            "HostConfig": {"Memory": 0},
        }

    def logs(self, _: str, **__: int) -> bytes:
        return b"its last words\n"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "probe", lambda *_, **__: ("HTTP 200", True))


def site(engine: Engine) -> Site:
    given: Any = SimpleNamespace(
        api=engine,
        connection=None,
        host=SimpleNamespace(name="h1"),
        stream=Stream(),
        cancel=threading.Event(),
        pause=lambda _: None,
    )
    here: Site = given
    return here


@pytest.mark.usefixtures("answers")
def test_a_container_that_restarted_long_ago_and_is_well_is_healthy() -> None:
    await_healthy(site(Engine(3)), "c", CHECK)


@pytest.mark.usefixtures("answers")
def test_one_that_restarts_while_it_is_waited_for_is_not() -> None:
    with pytest.raises(Unhealthy, match="restarted") as raised:
        await_healthy(site(Engine(3, 4)), "c", CHECK)
    assert (raised.value.why, raised.value.details) == ("exit code 3", ("its last words",))


@pytest.mark.usefixtures("answers")
def test_a_new_one_that_restarted_before_it_is_watched_is_not() -> None:
    with pytest.raises(Unhealthy, match="restarted"):
        monitor(site(Engine(1)), "c", CHECK)


@pytest.mark.parametrize(
    ("told", "said", "healthy"),
    [
        ({"Status": "healthy", "Log": [{"ExitCode": 0, "Output": "ok\n"}]}, "healthy exit code 0 ok", True),
        ({"Status": "starting", "Log": []}, "starting", False),
        ({"Status": "unhealthy", "Log": [{"ExitCode": 1, "Output": ""}]}, "unhealthy exit code 1", False),
        (None, "the engine runs no check", False),
    ],
)
def test_an_image_with_a_healthcheck_is_judged_by_its_engine(
    told: dict[str, Any] | None, said: str, healthy: bool
) -> None:
    check = replace(CHECK, by_image=True)
    seen = {"State": {"Health": told} if told else {}}
    nowhere: Any = None
    assert probe(nowhere, seen, check, timeout=1) == (said, healthy)
    assert check.asks == "the image's HEALTHCHECK"
