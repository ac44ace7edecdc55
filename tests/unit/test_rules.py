from typing import Any

import pytest

from deploy.values.known import known_keys
from deploy.values.rules import Given, broken_rules

HERE = {"APP_SOURCE": "src", "REGISTRY": "r:5000", "HOSTS": "h"}
SANDBOX = {"APP_SOURCE": "src", "REGISTRY": "sandbox", "HOSTS": "sandbox"}


def broken(texts: dict[str, str]) -> dict[str, str]:
    values: dict[str, Any] = {
        key: known_keys()[key].parse(text) if key in known_keys() else text for key, text in texts.items()
    }
    return dict(broken_rules(Given(values=values, keys=frozenset(values))))


@pytest.mark.parametrize(
    "texts",
    [
        HERE,
        SANDBOX,
        SANDBOX | {"SANDBOX_HOSTS": "3", "REGISTRY_PASSWORD": "s3cret"},
        HERE | {"REGISTRY_USER": "u"},
        HERE | {"REGISTRY_USER": "u", "REGISTRY_PASSWORD": "s3cret"},
        HERE | {"REGISTRY_TRUST": "ca", "REGISTRY_CA": "ca.crt"},
        HERE | {"REGISTRY_TRUST": "system", "REGISTRY_CA": "ca.crt"},
        HERE | {"REGISTRY_TRUST": "insecure"},
        HERE | {"REGISTRY_TRUST": "tunnel", "REGISTRY_CA": "ca.crt", "REGISTRY_TUNNEL_PORT": "15001"},
        HERE | {"BALANCERS": "b", "REGISTRY_FOR_HOSTS": "r2:5000", "APP_GIT_TOKEN": "t0k"},
        HERE | {"LOG_FILE": "/logs/a.log", "MOUNTS": "/srv/logs:/logs,/srv/conf:/conf:ro"},
        HERE | {"APP_ENV_X": "1", "SECRET_Y": "2"},
        HERE | {"CDS": "false", "DOCKERFILE": "Dockerfile"},
        HERE | {"CDS": "true", "PLATFORM": "linux/amd64"},
    ],
)
def test_what_goes_together(texts: dict[str, str]) -> None:
    assert broken(texts) == {}


@pytest.mark.parametrize(
    ("texts", "key", "words"),
    [
        (HERE | {"APP_GIT_URL": "https://h/a"}, "APP_GIT_URL", "not both"),
        ({"REGISTRY": "r:1", "HOSTS": "h"}, "APP_SOURCE", "required"),
        (HERE | {"APP_GIT_REF": "main"}, "APP_GIT_REF", "means nothing with APP_SOURCE"),
        (HERE | {"CDS": "true", "DOCKERFILE": "Dockerfile"}, "CDS", "remove CDS or DOCKERFILE"),
        (HERE | {"CDS": "true", "PLATFORM": "linux/amd64,linux/arm64"}, "CDS", "for one platform"),
        (HERE | {"HOSTS": "sandbox"}, "REGISTRY", "HOSTS=sandbox needs REGISTRY=sandbox"),
        (SANDBOX | {"HOSTS": "h"}, "REGISTRY", "REGISTRY=sandbox needs HOSTS=sandbox"),
        (SANDBOX | {"REGISTRY_FOR_HOSTS": "r:1"}, "REGISTRY_FOR_HOSTS", "remove it"),
        (SANDBOX | {"BALANCERS": "b"}, "BALANCERS", "remove it"),
        (HERE | {"REGISTRY_PASSWORD": "p"}, "REGISTRY_PASSWORD", "needs REGISTRY_USER"),
        (SANDBOX | {"REGISTRY_TRUST": "insecure"}, "REGISTRY_TRUST", "remove it"),
        (HERE | {"REGISTRY_TRUST": "ca"}, "REGISTRY_TRUST", "needs REGISTRY_CA"),
        (
            HERE | {"REGISTRY_TRUST": "tunnel", "REGISTRY_FOR_HOSTS": "r:5000"},
            "REGISTRY_FOR_HOSTS",
            "remove it",
        ),
        (HERE | {"REGISTRY_TUNNEL_PORT": "15001"}, "REGISTRY_TUNNEL_PORT", "REGISTRY_TRUST=tunnel"),
        (HERE | {"REGISTRY_TRUST": "insecure", "REGISTRY_CA": "c"}, "REGISTRY_TRUST", "plain HTTP"),
        (HERE | {"BALANCERS": "b,u@H:22"}, "BALANCERS[2]", "listed twice"),
        (HERE | {"LOG_FILE": "/logs/a.log", "MOUNTS": "/l:/logs:ro"}, "LOG_FILE", "read-only"),
        (HERE | {"APP_ENV_X": "1", "SECRET_X": "2"}, "SECRET_X", "as X; remove one"),
    ],
)
def test_what_does_not(texts: dict[str, str], key: str, words: str) -> None:
    found = broken(texts)

    assert list(found) == [key]
    assert words in found[key]


def test_a_key_that_is_wrong_for_itself_breaks_no_rule_besides() -> None:
    wrong = Given(values={"HOSTS": ()}, keys=frozenset({"APP_GIT_URL", "REGISTRY", "HOSTS"}))

    assert list(broken_rules(wrong)) == []
