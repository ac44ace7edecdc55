import shutil

import pytest

from deploy.setup import packages
from deploy.values.errors import BuildError, InputError
from deploy.values.events import Event, Stream


def test_never_is_never_even_for_root() -> None:
    assert packages.rights("never", uid=0).refusal == "JARSHIP_SETUP is never"


def test_without_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda command, path=None: None)
    assert "apt-get" in packages.rights("auto", uid=0).refusal


def test_only_root_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda command, path=None: "/usr/bin/" + command)
    assert packages.rights("auto", uid=0).refusal == ""
    assert packages.rights("auto", uid=1000).refusal == "this user is not root"


def test_the_refusal_names_the_commands_to_type() -> None:
    with pytest.raises(InputError) as caught:
        packages.install(Stream(), ["docker.io"], setup="never", need="A Docker Engine is needed")
    update, install = caught.value.advice.splitlines()
    assert update.endswith("apt-get update")
    assert install.endswith("install -y --no-install-recommends docker.io")
    assert caught.value.exit_code == 2


def test_ensure_packages_installs_nothing_when_nothing_is_missing() -> None:
    packages.ensure_packages(Stream(), {"sh": "dash"}, setup="never", purpose="runs scripts")


def test_ensure_packages_says_what_is_missing_and_what_for() -> None:
    with pytest.raises(InputError, match="no-such-command is missing, which makes images"):
        packages.ensure_packages(
            Stream(), {"sh": "dash", "no-such-command": "nothing"}, setup="never", purpose="makes images"
        )


def test_commands_are_told_first_and_get_no_input() -> None:
    heard: list[Event] = []
    packages.run(Stream(heard.append), ["sh", "-c", "cat; echo $DEBIAN_FRONTEND"])
    assert [event.text for event in heard] == ["+ sh -c 'cat; echo $DEBIAN_FRONTEND'", "noninteractive"]


def test_a_failing_command_shows_the_end_of_its_output() -> None:
    with pytest.raises(BuildError, match="exit code 3") as caught:
        packages.run(Stream(), ["sh", "-c", "seq 100; echo broken >&2; exit 3"])
    assert caught.value.details[-2:] == ("100", "broken")
    assert len(caught.value.details) == 20
