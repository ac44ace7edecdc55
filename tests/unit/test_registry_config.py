import json

import bcrypt
import pytest

from deploy.setup import registry_config as inside
from deploy.setup.registry_server import Running, Server, is_as_wanted
from deploy.values.errors import InputError
from tests.support.certificates import NOW


def test_the_configuration_says_what_was_asked_for() -> None:
    plain = json.loads(inside.config(tls=False, users=False))
    assert plain["storage"]["delete"] == {"enabled": True}
    assert "tls" not in plain["http"]
    assert "auth" not in plain
    full = json.loads(inside.config(tls=True, users=True))
    assert full["http"]["tls"]["minimumtls"] == "tls1.2"
    assert full["auth"]["htpasswd"]["path"] == inside.USERS


def test_the_maintenance_mode_is_switched_and_all_else_kept() -> None:
    before = inside.config(tls=True, users=True)
    during = inside.with_read_only(before, True)
    assert json.loads(during)["storage"]["maintenance"]["readonly"] == {"enabled": True}
    assert inside.with_read_only(during, False) == before
    with pytest.raises(ValueError, match="Expecting"):
        inside.with_read_only("version: 0.1\nlog: {}\n", True)


@pytest.mark.security(4)
def test_a_user_is_kept_as_bcrypt_beside_the_others() -> None:
    other = "dev:$2y$05$something"
    text = inside.with_user(f"{other}\nci:$apr1$x$y\n", "ci", "s3cr3t")
    first, second = text.splitlines()
    assert first == other
    assert bcrypt.checkpw(b"s3cr3t", second.partition(":")[2].encode())
    assert "s3cr3t" not in text


def test_a_password_that_is_right_changes_nothing_and_another_one_does() -> None:
    text = inside.with_user("", "ci", "one")
    assert inside.with_user(text, "ci", "one") == text
    changed = inside.with_user(text, "ci", "two")
    assert changed != text
    assert len(changed.splitlines()) == 1


def test_a_password_that_bcrypt_would_cut_is_refused() -> None:
    inside.with_user("", "ci", "ü" * 36)
    with pytest.raises(InputError, match="72 bytes"):
        inside.with_user("", "ci", "ü" * 37)


def test_a_registry_is_left_alone_while_it_is_what_it_should_be() -> None:
    server = Server(image="registry:2", port=5000, users="ci:x\n")

    def found(**changes: object) -> Running:
        known = {"id": "1", "state": "running", "image": "registry:2", "digest": server.digest()}
        files = {inside.CONFIG: server.config}
        return Running(**{**known, "files": files, **changes})  # type: ignore[arg-type]

    assert is_as_wanted(server, found(), now=NOW)
    assert not is_as_wanted(server, None, now=NOW)
    assert not is_as_wanted(server, found(state="exited"), now=NOW)
    assert not is_as_wanted(server, found(digest="other"), now=NOW)
    left_read_only = inside.with_read_only(server.config, True)
    assert not is_as_wanted(server, found(files={inside.CONFIG: left_read_only}), now=NOW)
    assert "ci:x" not in repr(server)
