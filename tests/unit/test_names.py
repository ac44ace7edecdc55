from collections.abc import Callable

import pytest

from deploy.values.names import (
    is_profile,
    is_variable,
    one_of,
    parse_app_name,
    parse_git_ref,
    parse_git_url,
    parse_health_path,
    parse_image,
    parse_image_path,
    parse_login,
    parse_platforms,
    parse_run_as,
)

LONG = "a" * 256

GOOD: list[tuple[Callable[[str], str], str]] = [
    (parse_app_name, "hello"),
    (parse_app_name, "momo-app"),
    (parse_app_name, "a1"),
    (parse_image_path, "team/app"),
    (parse_image, "eclipse-temurin:21-jre"),
    (parse_image, "registry.example.com:5000/java@sha256:" + "0" * 64),
    (parse_git_url, "https://git.example.com/team/app.git"),
    (parse_git_url, "http://127.0.0.1:8081/app.git"),
    (parse_git_url, "ssh://git@git.example.com:2222/~team/app.git"),
    (parse_git_url, "git@git.example.com:team/app.git"),
    (parse_git_url, "file:///srv/git/app.git"),
    (parse_git_ref, "HEAD"),
    (parse_git_ref, "feature/JIRA-1_x"),
    (parse_git_ref, "v1.0+5"),
    (parse_git_ref, "a" * 40),
    (parse_run_as, "1000"),
    (parse_run_as, "10001:0"),
    (parse_health_path, "/"),
    (parse_health_path, "/actuator/health?show=all&x=%20"),
    (parse_login, "AWS"),
    (parse_login, "robot@team+ci"),
    (one_of("a", "b"), "b"),
]

BAD: list[tuple[Callable[[str], object], str, list[str]]] = [
    (
        parse_app_name,
        "use a-z, 0-9 and single -",
        ["", "a", "Hello", "1a", "a_b", "a--b", "a-", "-a", "a;b", "a$(id)", "a`id`", "a b", "ä1", "a" * 41],
    ),
    (
        parse_image_path,
        "must be lowercase",
        ["Team/app", "team//app", LONG, "a;b", "$(id)", "", "/a", "a" * 250],
    ),
    (parse_image_path, "path alone", ["app:1.0", "r.example.com/app", "app@sha256:" + "0" * 64]),
    (parse_image, "invalid tag", ["a:-x", "a:1.0+5", "a:" + "b" * 129]),
    (parse_image, "invalid digest", ["a@sha256:0"]),
    (parse_git_url, "no user or password in the URL", ["https://me:pw@git.example.com/a", "http://tok@h/a"]),
    (
        parse_git_url,
        "use https://host/path.git",
        [
            "",
            "-u",
            "ext::sh -c id",
            "https://h",
            "git://h/a",
            "h/a",
            "ssh://-oProxyCommand=x/a",
            "https://h/a b",
            "a@h:",
            "-a@h:b",
            "a@-h:b",
            "https://h/$(id)",
            "file:///a/../b",
            "https://h/../a",
            "a@h:-b",
        ],
    ),
    (
        parse_git_ref,
        "use a branch, a tag or a commit",
        [
            "",
            "-x",
            "a..b",
            "a b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "[a",
            "a\\b",
            "a.lock",
            "a/",
            "/a",
            "a//b",
            "a@{1}",
            "@",
            ".a",
            "a/.b",
            "a.",
            "ä",
            "$(id)",
            "a;b",
            "`a`",
            "a" * 251,
        ],
    ),
    (
        parse_platforms,
        "linux/amd64",
        ["", "arm64", "windows/amd64", "linux/x86", "linux/arm64/v9", "linux/arm64,", "linux/arm64,arm"],
    ),
    (
        parse_platforms,
        "one platform of an architecture",
        ["linux/arm64,linux/arm64/v8", "linux/arm/v7,linux/amd64,linux/arm/v6"],
    ),
    (parse_run_as, "not root", ["", "0", "0:0", "root", "app", "1000:", "-1", "1_0", "9999999999", "1:2:3"]),
    (
        parse_health_path,
        "must begin with /",
        ["", "up", "http://h/up", "/a b", "/a#b", "/ä", "/a\\b", '/"', "/a;b"],
    ),
    (parse_login, "letters, digits", ["", "a b", "a:b", "$(id)", "a;b", "-a"]),
    (one_of("a", "b"), "use one of a, b", ["", "A", "c"]),
]


@pytest.mark.parametrize(("parse", "text"), GOOD)
def test_names_that_fit(parse: Callable[[str], str], text: str) -> None:
    assert parse(text) == text


@pytest.mark.parametrize(
    ("parse", "words", "text"), [(parse, words, text) for parse, words, texts in BAD for text in texts]
)
def test_names_that_do_not_fit_are_told_what_to_write(
    parse: Callable[[str], str], words: str, text: str
) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_a_password_in_a_git_url_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="APP_GIT_TOKEN") as caught:
        parse_git_url("https://me:hunter2@git.example.com/a")
    assert "hunter2" not in str(caught.value)


@pytest.mark.input(21)
@pytest.mark.parametrize(
    "name", ["", "../prod", "Prod", "a.b", "example", "local", "a/b", "-a", "a b", "1", "a" * 33, "a\n"]
)
def test_names_that_are_no_profiles(name: str) -> None:
    assert not is_profile(name)


def test_names_of_profiles_and_variables() -> None:
    assert is_profile("dev")
    assert is_profile("prod-eu_2")
    assert is_variable("SPRING_X")
    assert is_variable("_x")
    assert not is_variable("A-B")
    assert not is_variable("")
