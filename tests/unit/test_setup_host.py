import json
from collections.abc import Sequence
from typing import Any

import pytest

from deploy.hosts.connection import Result
from deploy.setup import host
from deploy.setup.trust import Trust
from deploy.setup.wants import Wish
from deploy.values.errors import HostError
from deploy.values.events import Event, Stream

REGISTRY = "registry.example.com:5000"
WISH = Wish(trust=Trust(kind="insecure", registry=REGISTRY))


class Place:
    """A host that answers the look with its records, and does what each command is said to do."""

    name = "web1"

    def __init__(self, *, root: str = "sudo", heeds: bool = True) -> None:
        self.root = root
        self.heeds = heeds
        self.daemon = '{"debug": true}'
        self.listed: list[str] = []
        self.ran: list[str] = []
        self.fails = ""

    def run(self, script: str, *, args: Sequence[str] = (), stdin: str = "", timeout: float = 30) -> Result:
        if script.startswith("#!"):
            return Result(code=0, out=self._records(), err="")
        (command,) = args
        self.ran.append(command)
        if self.fails and self.fails in command:
            return Result(code=9, out="", err="no space left\n")
        if "daemon.json" in command:
            self.daemon = stdin
            self.listed = json.loads(stdin).get("insecure-registries", []) if self.heeds else []
        return Result(code=0, out="", err="")

    def _records(self) -> str:
        config: dict[str, Any] = {"IndexConfigs": {name: {"Secure": False} for name in self.listed}}
        records = {
            "root": self.root,
            "user": "deploy",
            "groups": "deploy docker",
            "registries": json.dumps(config),
            "daemon": self.daemon,
        }
        tools = "".join(f"tool {tool}\0" for tool in ("apt-get", "dockerd", "docker", "flock"))
        return "".join(f"{name} {value}\0" for name, value in records.items()) + tools


def test_what_is_missing_is_done_and_told_first() -> None:
    place, events = Place(), list[Event]()
    done = host.set_up(place, WISH, Stream(events.append))

    assert len(done) == 1
    assert "insecure-registries" in done[0]
    assert json.loads(place.daemon) == {"debug": True, "insecure-registries": [REGISTRY]}
    assert events[0].text.startswith("+ sudo -n sh -c ")
    assert host.set_up(place, WISH, Stream()) == ()
    assert len(place.ran) == 1


def test_who_may_not_is_given_the_commands_and_nothing_is_run() -> None:
    place = Place(root="no")
    with pytest.raises(HostError, match="neither root nor") as refused:
        host.set_up(place, WISH, Stream())

    assert refused.value.host == "web1"
    assert refused.value.advice.startswith("sudo python3 -c ")
    assert place.ran == []


def test_a_command_that_fails_is_told_with_its_words() -> None:
    place = Place()
    place.fails = "daemon.json"
    with pytest.raises(HostError, match="exit code 9") as failed:
        host.set_up(place, WISH, Stream())
    assert failed.value.details == ("no space left",)


def test_what_the_engine_does_not_take_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when it has the same setting on its command line, and would not start again."""
    monkeypatch.setattr(host, "_SETTLE_SECONDS", 0.1)
    place = Place(heeds=False)
    with pytest.raises(HostError, match="still lacks") as failed:
        host.set_up(place, WISH, Stream())
    assert "journalctl" in failed.value.advice
    assert place.daemon == '{"debug": true}'
