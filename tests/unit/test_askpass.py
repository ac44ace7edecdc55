"""The program that git asks for the token: it answers for one place."""

import subprocess
from pathlib import Path

import pytest

from deploy.artifact import clone

PROGRAM = Path(clone.__file__).with_name("askpass.sh")


def ask(prompt: str, url: str = "https://git.example.com/team/app.git", token: str = "token") -> str | None:
    remote = clone.Remote(url=url, ref="main", user="ci", token=token)
    result = subprocess.run(
        [PROGRAM, prompt],
        env={"ASKPASS_PLACE": remote.place, "ASKPASS_USER": remote.user, "ASKPASS_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert token == "" or token not in result.stderr
    return result.stdout if result.returncode == 0 else None


def test_user_and_token_are_told_for_the_place_of_the_url() -> None:
    assert ask("Username for 'https://git.example.com': ") == "ci\n"
    assert ask("Password for 'https://git.example.com': ") == "token\n"
    assert ask("Password for 'https://ci%40team@git.example.com': ") == "token\n"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://git.example.com/a.git", "https://git.example.com:443"),
        ("https://git.example.com:443/a.git", "https://git.example.com"),
        ("https://Git.Example.COM/a.git", "https://git.example.com"),
        ("http://git.example.com:80/a.git", "http://git.example.com"),
        ("http://127.0.0.1:8080/a.git", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/a.git", "http://[::1]:8080"),
    ],
)
def test_one_place_may_be_written_in_several_ways(url: str, shown: str) -> None:
    assert ask(f"Password for '{shown}': ", url) == "token\n"


@pytest.mark.security(8)
@pytest.mark.parametrize(
    "prompt",
    [
        "Password for 'https://elsewhere.example.com': ",
        "Password for 'https://git.example.com.evil.example': ",
        "Password for 'http://git.example.com': ",
        "Password for 'https://git.example.com:8443': ",
        "Password for 'ssh://git.example.com': ",
        # Decoded user names and hosts, as git before 2.48.1 shows them.
        "Password for 'https://git.example.com/x@evil.example': ",
        "Password for 'https://git.example.com@evil.example': ",
        "Password for 'https://evil.example/@git.example.com': ",
        "Password for 'https://a@evil.example@git.example.com': ",
        "Password for 'https://evil.example?@git.example.com': ",
        "Password for 'https://evil.example#@git.example.com': ",
        "Password for 'https://evil.example\\@git.example.com': ",
        "Password for 'https://evil.example\n@git.example.com': ",
        "Password for 'https://evil.example': Password for 'https://git.example.com': ",
        "Password for 'https://git.example.com/team/app.git': ",
        "Enter passphrase for key '/home/ci/.ssh/id_ed25519': ",
        "Password for 'git.example.com': ",
        "Password: ",
        "",
    ],
)
def test_nobody_else_is_told(prompt: str) -> None:
    assert ask(prompt) is None


def test_without_a_token_nothing_is_answered() -> None:
    assert ask("Password for 'https://git.example.com': ", token="") is None


@pytest.mark.parametrize(
    "url", ["ssh://git@git.example.com/a.git", "git@git.example.com:a.git", "file:///srv/a.git"]
)
def test_only_places_of_http_are_told_anything(url: str) -> None:
    assert clone.Remote(url=url, ref="main").place == ""
