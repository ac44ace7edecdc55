import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from deploy.rollout import logs
from deploy.rollout.logs import Line, Wanted
from deploy.values.errors import HostError
from deploy.values.inventory import Host

HOST = Host(name="h1", address="h1")


class Engine:
    """Says one container after the other; each with pieces of its log."""

    def __init__(self, *containers: tuple[str, list[bytes]] | Exception) -> None:
        self.containers = list(containers)
        self.asked: list[dict[str, Any]] = []

    def inspect_container(self, name: str) -> dict[str, str]:
        if isinstance(self.containers[0], Exception):
            raise self.containers.pop(0)  # type: ignore[misc]
        return {"Id": self.containers[0][0]}

    def logs(self, container: str, **asked: Any) -> Iterator[bytes]:
        _, pieces = self.containers.pop(0)  # type: ignore[misc]
        self.asked.append(asked)
        return iter(pieces)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "AGAIN", 0.0)


def told(engine: Engine, count: int, **wanted: Any) -> list[str]:
    followed = logs._followed(engine, HOST, Wanted(**{"app": "hello", "lines": 5, **wanted}))
    return [f"{line.stamp} {line.text}" for line in itertools.islice(followed, count)]


def test_lines_are_put_together_from_what_comes() -> None:
    engine = Engine(("a", [b"1 on", b"e\r\n2 two\n3 thr", b"ee"]))
    assert told(engine, 3) == ["1 one", "2 two", "3 three"]
    assert engine.asked == [{"stream": True, "follow": True, "timestamps": True, "tail": 5}]


def test_the_next_release_is_followed_from_its_first_line() -> None:
    engine = Engine(("a", [b"5 old\n"]), NotFound("between two names"), ("b", [b"4 new\n", b"6 newer\n"]))
    assert told(engine, 3) == ["5 old", "4 new", "6 newer"]
    assert engine.asked[1]["tail"] == "all"


def test_a_container_that_was_started_again_goes_on_where_it_was() -> None:
    engine = Engine(("a", [b"1 one\n2 two\n"]), ("a", [b"1 one\n2 two\n3 three\n"]))
    assert told(engine, 3) == ["1 one", "2 two", "3 three"]


def test_since_is_asked_for_at_the_beginning_only() -> None:
    engine = Engine(("a", [b"1 one\n"]), ("b", [b"2 two\n"]))
    told(engine, 2, since=7.0)
    assert [asked.get("since") for asked in engine.asked] == [7.0, None]


def test_an_engine_that_refuses_is_told() -> None:
    with pytest.raises(HostError, match="cannot be read"):
        told(Engine(APIError("500", explanation="no such driver")), 1)


def test_a_line_is_stamp_and_text() -> None:
    assert logs._line("h1", "2026-01-01T00:00:00Z a  b ") == Line(
        host="h1", stamp="2026-01-01T00:00:00Z", text="a  b "
    )
