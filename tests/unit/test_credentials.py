import json
from base64 import b64encode
from pathlib import Path

import pytest

from deploy.credentials import Credentials, find
from deploy.values.errors import InputError

REGISTRY = "r.example.com:5000"


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def test_the_settings_decide(docker_config: Path) -> None:
    login = b64encode(b"other:pw").decode()
    docker_config.write_text(json.dumps({"auths": {REGISTRY: {"auth": login}}}))
    assert find(REGISTRY, "ci", "secret") == Credentials(user="ci", password="secret")
    with pytest.raises(InputError, match="no password for ci"):
        find(REGISTRY, "ci", None)


def test_without_any_there_are_none(docker_config: Path) -> None:
    assert find(REGISTRY, None, None) is None
    docker_config.write_text(json.dumps({"auths": {REGISTRY: {}}}))
    assert find(REGISTRY, None, None) is None


@pytest.mark.parametrize("key", [REGISTRY, f"https://{REGISTRY}", f"https://{REGISTRY}/v2/"])
def test_those_of_docker_login_are_found(docker_config: Path, key: str) -> None:
    docker_config.write_text(json.dumps({"auths": {key: {"auth": b64encode(b"ci:p:w").decode()}}}))
    assert find(REGISTRY, None, None) == Credentials(user="ci", password="p:w")
    assert find("other.example.com", None, None) is None


def test_those_of_docker_hub_are_found(docker_config: Path) -> None:
    docker_config.write_text(
        json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": b64encode(b"ci:pw").decode()}}})
    )
    assert find("docker.io", None, None) == Credentials(user="ci", password="pw")


def test_an_identity_token_is_found(docker_config: Path) -> None:
    docker_config.write_text(json.dumps({"auths": {REGISTRY: {"identitytoken": "token"}}}))
    found = find(REGISTRY, None, None)
    assert found == Credentials(identity_token="token")
    assert found.auth_config() == {"identitytoken": "token"}


def a_helper(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    helper = directory / "docker-credential-test"
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")


def test_a_credential_helper_is_asked(
    docker_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_config.write_text(json.dumps({"credHelpers": {REGISTRY: "test"}}))
    a_helper(tmp_path, monkeypatch, """echo '{"ServerURL": "r", "Username": "ci", "Secret": "pw"}'""")
    assert find(REGISTRY, None, None) == Credentials(user="ci", password="pw")


def test_a_credential_helper_that_fails_is_told(
    docker_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_config.write_text(json.dumps({"credsStore": "test"}))
    a_helper(tmp_path, monkeypatch, "echo locked; exit 1")
    with pytest.raises(InputError, match=f"credentials for {REGISTRY}") as refused:
        find(REGISTRY, None, None)
    assert "docker login" in refused.value.advice


def test_they_are_not_shown() -> None:
    assert "secret" not in repr(Credentials(user="ci", password="secret", identity_token="secret"))
