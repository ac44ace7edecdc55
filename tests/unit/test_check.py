import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.values.addresses import Published
from deploy.values.check import check, unknown
from deploy.values.keys import DEFAULT, ENVIRONMENT, Setting
from deploy.values.settings import Settings

LEAST = {"APP_NAME": "hello", "APP_SOURCE": "src", "REGISTRY": "r:5000", "HOSTS": "h"}


def setting(key: str, value: str, *, quoted: bool = True, origin: str = ".env.dev:7") -> Setting:
    return Setting(key=key, value=value, origin=origin, quoted=quoted)


def checked(**texts: str | None) -> Settings:
    given = {key: value for key, value in (LEAST | texts).items() if value is not None}
    result, problems = check(
        "dev", {key: setting(key, value) for key, value in given.items()}, home=".env.dev"
    )
    assert [str(problem) for problem in problems] == []
    assert result is not None
    return result


def problems(
    texts: dict[str, str | None], *, quoted: bool = True, mentioned: frozenset[str] = frozenset()
) -> list[str]:
    given = {key: value for key, value in (LEAST | texts).items() if value is not None}
    found = {key: setting(key, value, quoted=quoted) for key, value in given.items()}
    result, problems = check("dev", found, home=".env.dev", mentioned=mentioned)
    assert result is None
    return [str(problem) for problem in problems]


def test_texts_become_values() -> None:
    settings = checked(
        APP_PORT="127.0.0.1:80", MEMORY="700m", APP_ENV_B="1", APP_ENV_A="2", SECRET_C="s3cret"
    )

    assert settings.app_name == settings.image == "hello"
    assert settings.app_port == Published(address="127.0.0.1", port=80)
    assert settings.memory == 734003200
    assert list(settings.app_env.items()) == [("A", "2"), ("B", "1")]
    assert settings.secrets["C"].get_secret_value() == "s3cret"
    assert settings.hosts[0].url == "http://127.0.0.1"
    assert settings.origins["MEMORY"] == ".env.dev:7"
    assert settings.origins["CPUS"] == DEFAULT


def test_the_sandbox() -> None:
    settings = checked(HOSTS="sandbox", REGISTRY="sandbox")

    assert settings.hosts_sandbox
    assert settings.hosts == ()
    assert settings.registry == "sandbox"


@pytest.mark.input(7)
def test_all_required_keys_are_named_at_once() -> None:
    found = problems(dict.fromkeys(LEAST))

    assert [line.partition(", ")[0] for line in found] == [
        ".env.dev: APP_NAME: required",
        ".env.dev: REGISTRY: required",
        ".env.dev: HOSTS: required",
        ".env.dev: APP_SOURCE: required",
    ]


@pytest.mark.input(7)
@pytest.mark.parametrize("key", LEAST)
def test_a_required_key_may_not_be_empty(key: str) -> None:
    (problem,) = problems({key: ""})
    assert problem.startswith(f".env.dev:7: {key}: required, ")


def test_a_key_on_a_line_that_cannot_be_read_is_not_missing() -> None:
    mentioned = frozenset({"APP_NAME", "APP_GIT_URL"})

    assert problems({"APP_NAME": None, "APP_SOURCE": None}, mentioned=mentioned) == []


@pytest.mark.parametrize(
    "key", ["IMAGE", "BUILD_COMMAND", "JAR", "SSH_KEY", "PLATFORM", "CPUS", "BALANCERS", "MOUNTS"]
)
def test_an_empty_value_is_never_taken_for_a_default(key: str) -> None:
    assert len(problems({key: ""})) == 1


def test_an_empty_variable_of_the_application_is_meant() -> None:
    assert checked(APP_ENV_X="").app_env == {"X": ""}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        pytest.param("APP_NAME", "a\nb", "must be one line", marks=pytest.mark.input(16)),
        pytest.param("HOSTS", "a\rb", "must be one line", marks=pytest.mark.input(16)),
        pytest.param("REGISTRY_PASSWORD", "a\nb", "must be one line", marks=pytest.mark.input(16)),
        pytest.param("APP_NAME", "a\tb", "control character U+0009", marks=pytest.mark.input(17)),
        pytest.param("APP_NAME", "a\x07b", "control character U+0007", marks=pytest.mark.input(17)),
        pytest.param("SECRET_X", "a\x07b", "control character U+0007", marks=pytest.mark.input(17)),
        pytest.param("SECRET_X", "a\udce4b", "not UTF-8", marks=pytest.mark.input(4)),
        pytest.param("SECRET_X", "changeme", "still a placeholder", marks=pytest.mark.input(34)),
        pytest.param("SECRET_X", "Change-Me", "still a placeholder", marks=pytest.mark.input(34)),
        pytest.param("SECRET_X", "<your password>", "still a placeholder", marks=pytest.mark.input(34)),
        pytest.param("REGISTRY_PASSWORD", "<password>", "still a placeholder", marks=pytest.mark.input(34)),
        pytest.param("APP_ENV_DB_PASSWORD", "changeme", "still a placeholder", marks=pytest.mark.input(34)),
        pytest.param("APP_NAME", "\u201chello\u201d", "contains U+201C", marks=pytest.mark.input(37)),
        pytest.param("APP_NAME", "hel\u200blo", "contains U+200B", marks=pytest.mark.input(37)),
        pytest.param("SECRET_X", "hel\u200blo", "contains U+200B", marks=pytest.mark.input(37)),
        ("SECRET_X", "", "is empty"),
        ("APP_GIT_TOKEN", "", "is empty"),
    ],
)
def test_a_text_that_is_wrong_whatever_it_means(key: str, value: str, words: str) -> None:
    companions = {"REGISTRY_USER": "u"} if key == "REGISTRY_PASSWORD" else {}
    (problem,) = problems({key: value, **companions})

    assert problem.startswith(f".env.dev:7: {key}: ")
    assert words in problem


@pytest.mark.input(37)
def test_typographic_quotes_are_kept_inside_of_real_ones_in_what_the_application_gets() -> None:
    (problem,) = problems({"SECRET_X": "\u201chunter2\u201d"}, quoted=False)
    assert problem.endswith("contains U+201C (left double quotation mark); write ' or \"")
    assert checked(APP_ENV_X="\u201chello\u201d").app_env == {"X": "\u201chello\u201d"}


@pytest.mark.input(30)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30))
def test_a_secret_is_kept_byte_exact_and_never_shown(value: str) -> None:
    texts = LEAST | {"SECRET_X": value, "APP_PORT": "0"}
    _, wrong = check("dev", {key: setting(key, text) for key, text in texts.items()}, home="f")
    told = [str(problem) for problem in wrong]

    assert told[-1] == ".env.dev:7: APP_PORT: use a port 1–65535"  # noqa: RUF001
    assert told[:-1] in ([], [".env.dev:7: SECRET_X: still a placeholder"])
    if not told[:-1]:
        settings = checked(SECRET_X=value)
        assert settings.secrets["X"].get_secret_value() == value
        assert repr(settings.secrets) == "{'X': SecretStr('**********')}"


def test_every_wrong_key_and_entry_is_named_at_once() -> None:
    found = problems(
        {"APP_NAME": "A", "HOSTS": "a,u@,A", "APP_PORT": "0", "CPUS": "1,8", "MOUNTS": "/etc:/x,/a:/b,/a"}
    )

    assert [line.split(": ")[1] for line in sorted(found)] == [
        "APP_NAME",
        "APP_PORT",
        "CPUS",
        "HOSTS[2]",
        "HOSTS[3]",
        "MOUNTS[1]",
        "MOUNTS[3]",
    ]


def test_settings_of_the_environment_are_named_as_they_are_there() -> None:
    found = {key: setting(key, value) for key, value in LEAST.items()}
    found["HOSTS"] = setting("HOSTS", "a,", origin=ENVIRONMENT)
    found["APP_GIT_URL"] = setting("APP_GIT_URL", "https://h/a", origin=ENVIRONMENT)

    _, wrong = check("dev", found, home=".env.dev")

    assert [str(problem) for problem in wrong] == [
        "environment: JARSHIP_HOSTS[2]: empty entry, write a host or remove the comma",
        "environment: JARSHIP_APP_GIT_URL: set APP_SOURCE or APP_GIT_URL, not both",
    ]


@pytest.mark.input(6)
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("APP_PROT", "APP_PROT: unknown APP_PROT; APP_PORT?"),
        ("app_port", "app_port: unknown app_port; APP_PORT?"),
        ("JARSHIP_APP_PORT", "JARSHIP_APP_PORT: unknown JARSHIP_APP_PORT; APP_PORT?"),
        ("APPENV_X", "APPENV_X: unknown APPENV_X; APP_ENV_X?"),
        ("SECRETS_DB_URL", "SECRETS_DB_URL: unknown SECRETS_DB_URL; SECRET_DB_URL?"),
        (
            "SPRING_XYZ",
            "SPRING_XYZ: unknown SPRING_XYZ; to hand it to the application write APP_ENV_SPRING_XYZ",
        ),
        ("MIIEvQIBADANBg", "unknown key, which is not shown"),
    ],
)
def test_an_unknown_key_is_told_the_nearest(key: str, words: str) -> None:
    assert str(unknown(setting(key, "hunter2"))).startswith(f".env.dev:7: {words}")


@pytest.mark.input(6)
def test_an_unknown_variable_is_told_the_nearest() -> None:
    assert (
        str(unknown(setting("HOST", "x", origin=ENVIRONMENT)))
        == "environment: JARSHIP_HOST: unknown JARSHIP_HOST; JARSHIP_HOSTS?"
    )


def test_how_the_container_is_confined() -> None:
    settings = checked(
        PIDS_LIMIT="0", TMP_SIZE="0", CAP_ADD="chown", NO_NEW_PRIVILEGES="false", READ_ONLY="false"
    )
    assert not settings.confinement().no_new_privileges
    assert settings.cap_add == ("CHOWN",)
    assert problems({"READ_ONLY": "yes"}) == [".env.dev:7: READ_ONLY: use true or false"]
    assert problems({"TMP_SIZE": "64"}) == [
        ".env.dev:7: TMP_SIZE: not a memory size, use 64m, or 0 for none; minimum 6m"
    ]


def test_a_read_only_container_needs_a_place_to_write() -> None:
    log: dict[str, str | None] = {"READ_ONLY": "true", "LOG_FILE": "/logs/app.log"}
    assert problems(log) == [
        ".env.dev:7: LOG_FILE: cannot be written when READ_ONLY=true; put its directory into MOUNTS"
    ]
    assert checked(**log, MOUNTS="/srv/logs:/logs").read_only
    assert "no /tmp" in problems({"READ_ONLY": "true", "TMP_SIZE": "0"})[0]
    assert checked(READ_ONLY="true", TMP_SIZE="0", MOUNTS="/srv/tmp:/tmp").read_only
