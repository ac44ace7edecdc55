import itertools
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from deploy.values.describe import MASKED, Row, describe, text_of
from deploy.values.inventory import Host
from deploy.values.keys import Key, is_secret
from deploy.values.known import is_key, known_keys, nearest
from deploy.values.settings import Settings


def settings(**values: Any) -> Settings:
    least: dict[str, Any] = {
        "profile": "dev",
        "app_name": "hello",
        "registry": "r:5000",
        "hosts": (Host(name="h", address="h"),),
        "origins": dict.fromkeys((*known_keys(), "APP_ENV_A", "APP_ENV_X_TOKEN", "SECRET_S"), "default"),
    }
    return Settings(**(least | values))


def test_settings_are_frozen_and_of_their_types() -> None:
    with pytest.raises(ValidationError):
        settings().app_name = "other"
    with pytest.raises(ValidationError):
        settings(monitor="5")
    with pytest.raises(ValidationError):
        settings(unknown=1)


def test_secret_values_are_all_that_must_be_hidden() -> None:
    secret = settings(
        app_git_token=SecretStr("t0ken"),
        registry_password=SecretStr("pa ss"),
        secrets={"S": SecretStr("-----BEGIN-----\nabcdefgh\nij\n")},
        app_env={"A": "open", "X_TOKEN": "t0"},
    )

    assert secret.secret_values() == {
        "t0ken",
        "pa ss",
        "-----BEGIN-----\nabcdefgh\nij\n",
        "-----BEGIN-----",
        "abcdefgh",
        "t0",
    }
    assert settings().secret_values() == frozenset()


def test_describe_shows_every_key_and_no_secret() -> None:
    rows = describe(
        settings(
            registry_password=SecretStr("hunter2"),
            secrets={"S": SecretStr("hunter2")},
            app_env={"A": "open", "X_TOKEN": "hunter2"},
        )
    )

    assert [row.key for row in rows] == [*known_keys(), "APP_ENV_A", "APP_ENV_X_TOKEN", "SECRET_S"]
    assert "hunter2" not in repr(rows)
    assert Row(key="APP_ENV_A", value="open", origin="default") in rows
    assert Row(key="SECRET_S", value=MASKED, origin="default") in rows
    assert Row(key="HEALTH_TIMEOUT", value="120", origin="default") in rows
    assert Row(key="MEMORY", value=None, origin="default") in rows


def test_describe_calls_the_sandbox_by_its_name() -> None:
    rows = {row.key: row.value for row in describe(settings(hosts=(), hosts_sandbox=True))}

    assert rows["HOSTS"] == "sandbox"


@pytest.mark.parametrize(("name", "key"), known_keys().items())
def test_a_key_has_a_sentence_and_an_example_that_reads_as_itself(name: str, key: Key) -> None:
    assert key.doc.endswith((".", ";"))
    value = key.parse(key.example)
    shown = text_of(name, value)
    assert shown == (MASKED if is_secret(name) else key.example)
    assert is_secret(name) == key.example.startswith("<")


@pytest.mark.parametrize(
    "name", [name for name, field in Settings.model_fields.items() if name.upper() in known_keys()]
)
def test_a_default_reads_as_itself(name: str) -> None:
    field = Settings.model_fields[name]
    text = None if field.is_required() else text_of(name.upper(), field.default)
    if text:
        assert known_keys()[name.upper()].parse(text) == field.default


def test_groups_of_keys_are_not_torn() -> None:
    groups = [key.group for key in known_keys().values()]

    assert len([1 for one, next_ in itertools.pairwise(groups) if one != next_]) == len(set(groups)) - 1


def test_keys_of_the_application_are_keys_when_a_name_follows() -> None:
    assert is_key("APP_ENV_X")
    assert is_key("SECRET_spring_x")
    assert not is_key("APP_ENV_")
    assert not is_key("SECRET_A-B")
    assert not is_key("app_name")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("APP_PROT", "APP_PORT"),
        ("REGISTY", "REGISTRY"),
        ("TIMEOUT_HEALTH", ""),
        ("ZZZ", ""),
        ("hosts", "HOSTS"),
    ],
)
def test_the_nearest_key(text: str, key: str) -> None:
    assert nearest(text) == key
