import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.setup import host
from deploy.setup.trust import Trust
from deploy.setup.wants import Command, Directory, Machine, Wish, commands, read, wish_of
from deploy.values.errors import InputError
from deploy.values.mounts import Mount
from deploy.values.settings import Settings
from tests.support.certificates import write_certificate

REGISTRY = "registry.example.com:5000"
TRUSTING = Wish(trust=Trust(kind="system", registry=REGISTRY))
INSECURE = Wish(trust=Trust(kind="insecure", registry=REGISTRY))
TOOLS = frozenset({"apt-get", "dockerd", "docker", "flock", "systemd"})


def a_machine(**known: Any) -> Machine:
    fit = Machine(
        root="sudo", user="deploy", groups=frozenset({"docker"}), tools=TOOLS, registry_config={}, daemon=""
    )
    return replace(fit, **known)


def lines(wish: Wish, machine: Machine) -> list[str]:
    return [command.text for command in commands(wish, machine)]


def only(wish: Wish, machine: Machine) -> Command:
    (command,) = commands(wish, machine)
    return command


def listing(*names: str) -> dict[str, Any]:
    return {"IndexConfigs": {name: {"Secure": False} for name in names}}


def test_a_machine_that_lacks_nothing_needs_no_command() -> None:
    assert commands(TRUSTING, a_machine()) == ()
    assert commands(INSECURE, a_machine(registry_config=listing(REGISTRY))) == ()
    assert commands(TRUSTING, a_machine(root="no")) == ()


def test_one_without_docker_gets_it_and_its_user_the_group() -> None:
    bare = a_machine(tools=frozenset({"apt-get", "flock"}), groups=frozenset(), registry_config=None)
    update, install, start, group = lines(TRUSTING, bare)

    assert update.endswith(" update")
    assert "DEBIAN_FRONTEND=noninteractive" in install
    assert "docker.io" in install
    assert start == "service docker start"
    assert group == "usermod -aG docker deploy"


def test_one_with_docker_that_does_not_run_gets_it_started_for_good() -> None:
    assert lines(TRUSTING, a_machine(registry_config=None)) == ["systemctl enable --now docker"]


def test_who_may_not_ask_the_engine_does_not_know_that_it_is_down() -> None:
    unseen = a_machine(root="no", groups=frozenset(), registry_config=None)
    assert lines(TRUSTING, unseen) == ["usermod -aG docker deploy"]


def test_root_needs_no_group() -> None:
    assert commands(TRUSTING, a_machine(root="yes", user="root", groups=frozenset())) == ()


def test_without_apt_the_way_out_is_named() -> None:
    with pytest.raises(InputError, match="no apt-get") as refused:
        commands(TRUSTING, a_machine(tools=frozenset({"flock"})))
    assert "docs.docker.com/engine/install" in refused.value.advice


def test_a_missing_directory_is_made_the_applications_own() -> None:
    wish = replace(TRUSTING, directories=(Directory(path="/srv/a log", uid=10001, gid=7),))
    assert lines(wish, a_machine()) == ["install -d -o 10001 -g 7 '/srv/a log'"]
    assert commands(wish, a_machine(directories=frozenset({"/srv/a log"}))) == ()


class TestAnAuthority:
    @pytest.fixture
    def wish(self, tmp_path: Path) -> Wish:
        pem = write_certificate(tmp_path, "ca")[0].read_text()
        return Wish(trust=Trust(kind="ca", registry=REGISTRY, authority=pem))

    def test_its_certificate_is_put_where_docker_looks(self, wish: Wish) -> None:
        command = only(wish, a_machine(authority=""))
        assert command.text.endswith("/etc/docker/certs.d/registry.example.com:5000/ca.crt")
        assert command.stdin == wish.trust.authority
        assert command.pasted.endswith("-----END CERTIFICATE-----\nEND")
        assert not command.reloads

    def test_one_that_is_there_stays(self, wish: Wish) -> None:
        assert commands(wish, a_machine(authority=wish.trust.authority)) == ()

    @pytest.mark.security(3)
    def test_a_registry_with_tls_is_no_longer_listed_as_one_without(self, wish: Wish) -> None:
        daemon = json.dumps({"insecure-registries": [REGISTRY, "other:5000"], "debug": True})
        listed = a_machine(
            authority=wish.trust.authority, registry_config=listing(REGISTRY, "other:5000"), daemon=daemon
        )
        command = only(wish, listed)
        assert json.loads(command.stdin) == {"insecure-registries": ["other:5000"], "debug": True}
        assert command.undo is not None
        assert command.undo.stdin == daemon


class TestDaemonJson:
    def test_all_that_is_there_stays(self) -> None:
        before = '{"proxies": {"http-proxy": "http://u:p@proxy"}, "insecure-registries": ["a:1"]}'
        command = only(INSECURE, a_machine(daemon=before))
        assert json.loads(command.stdin) == {
            "proxies": {"http-proxy": "http://u:p@proxy"},
            "insecure-registries": ["a:1", REGISTRY],
        }
        assert command.reloads
        assert "kill -HUP" in command.text
        assert "u:p@proxy" not in command.line + command.pasted + repr(command)

    def test_one_that_is_missing_is_made_and_removed_again(self) -> None:
        command = only(INSECURE, a_machine(daemon=""))
        assert json.loads(command.stdin) == {"insecure-registries": [REGISTRY]}
        assert command.undo is not None
        assert "rm -f /etc/docker/daemon.json" in command.undo.text

    @pytest.mark.parametrize("broken", ["{", "[]", '"x"'])
    def test_one_that_docker_would_not_read_is_left_alone(self, broken: str) -> None:
        with pytest.raises(InputError, match="left as it is"):
            commands(INSECURE, a_machine(daemon=broken))

    @pytest.mark.parametrize("listed", [True, False])
    def test_the_line_to_paste_does_the_same(self, tmp_path: Path, listed: bool) -> None:
        from deploy.plain_http import mending_line

        file = tmp_path / "daemon.json"
        before = [] if listed else [REGISTRY]
        file.write_text(json.dumps({"debug": True, "insecure-registries": before}))
        line = mending_line(REGISTRY, str(file), listed=listed)
        python = line.removeprefix("sudo ").partition(" && ")[0]
        subprocess.run(["sh", "-c", python], check=True)
        after = [REGISTRY] if listed else []
        assert json.loads(file.read_text()) == {"debug": True, "insecure-registries": after}


def test_directories_are_those_that_the_application_writes() -> None:
    settings = Settings(
        profile="dev",
        app_name="hello",
        registry=REGISTRY,
        hosts=(),
        mounts=(
            Mount(source="/srv/logs", target="/logs"),
            Mount(source="/srv/conf", target="/c", read_only=True),
        ),
    )
    assert wish_of(settings, TRUSTING.trust, serves=True).directories == (
        Directory(path="/srv/logs", uid=10001, gid=10001),
    )
    other = settings.model_copy(update={"run_as": "20002"})
    assert wish_of(other, TRUSTING.trust, serves=True).directories[0].gid == 0
    assert wish_of(settings, TRUSTING.trust, serves=False).directories == ()


class TestWhatTheScriptSays:
    """Run here; it changes nothing."""

    def test_it_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "ca.crt").write_text("x\n")
        (tmp_path / "there").mkdir()
        wish = Wish(
            trust=Trust(kind="system", registry=REGISTRY),
            directories=tuple(
                Directory(path=str(tmp_path / name), uid=1, gid=1) for name in ("there", "not there")
            ),
        )
        seen = host.look(host.ThisMachine(), wish)
        assert seen.user
        assert seen.groups
        assert "flock" in seen.tools
        assert seen.directories == {str(tmp_path / "there")}

    def test_something_else_is_no_machine(self) -> None:
        with pytest.raises(ValueError, match="no machine"):
            read("bash: not found")
