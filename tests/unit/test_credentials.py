import json
from pathlib import Path

import pytest

from deploy.credentials import Credentials, find
from deploy.values.errors import InputError


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def test_the_settings_decide() -> None:
    assert find("r:5000", "u", "p") == Credentials(user="u", password="p")


def test_a_user_without_password_is_told_so() -> None:
    with pytest.raises(InputError, match="no password for u at r:5000") as caught:
        find("r:5000", "u", None)
    assert "JARSHIP_REGISTRY_PASSWORD" in caught.value.advice


def test_what_docker_login_wrote_is_taken_else(docker_config: Path) -> None:
    docker_config.write_text(json.dumps({"auths": {"r:5000": {"auth": "dTpw"}}}))

    assert find("r:5000", None, None) == Credentials(user="u", password="p")
    assert find("other:5000", None, None) is None
