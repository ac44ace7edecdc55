import hashlib
import json
import os
import socket
from pathlib import Path

import pytest

from deploy import engine
from deploy.values.events import Stream


def refusal(environ: dict[str, str]) -> engine.EngineError:
    with pytest.raises(engine.EngineError) as caught:
        engine.local(Stream(), environ)
    return caught.value


def test_nobody_at_the_socket(tmp_path: Path) -> None:
    error = refusal({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"})
    assert error.cause == "absent"
    assert str(tmp_path) in error.what
    assert error.exit_code == 4


def test_a_stopped_engine_leaves_its_socket_behind(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(f"{tmp_path}/docker.sock")
    assert refusal({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}).cause == "absent"


def test_permission_denied_names_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", denied)
    monkeypatch.setenv("LOGNAME", "jenkins")
    error = refusal({})
    assert error.cause == "denied"
    assert error.advice.startswith("sudo usermod -aG docker jenkins")
    assert "log in again" in error.advice


def test_something_else_listens(tmp_path: Path) -> None:
    assert refusal({"DOCKER_HOST": "tcp://host.invalid:2375"}).cause == "silent"


def test_contexts_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    name = "far"
    meta = tmp_path / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    endpoints = {"docker": {"Host": "tcp://192.0.2.1:2376", "SkipTLSVerify": True}}
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": name}))
    assert engine.address({}) == "tcp://192.0.2.1:2376"
    assert engine.address({"DOCKER_CONTEXT": "default"}) == engine.DEFAULT
    assert engine.address({"DOCKER_CONTEXT": name, "DOCKER_HOST": "unix:///x.sock"}).endswith(
        "unix:///x.sock"
    )


def test_a_context_that_does_not_exist_is_an_error() -> None:
    error = refusal({"DOCKER_CONTEXT": "nowhere"})
    assert error.cause == "settings"
    assert "nowhere" in error.what


@pytest.mark.parametrize(
    ("place", "here"),
    [
        ("unix:///var/run/docker.sock", True),
        ("npipe:////./pipe/docker_engine", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://192.0.2.1:2376", False),
        ("ssh://deploy@192.0.2.1", False),
    ],
)
def test_which_engines_are_on_this_machine(place: str, here: bool) -> None:
    assert engine.is_local(place) is here


def test_the_environment_is_read_when_nothing_is_passed() -> None:
    assert engine.address() == engine.address(os.environ)
