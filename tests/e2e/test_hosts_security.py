"""What a host offers to others after a release, and what hostile words in settings come to there."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.support.rollouts import Releases
from tests.support.sandbox import ROOT, RunningSandbox

LISTENING = "0A"
"""As /proc/net/tcp writes it."""
ENGINE_PORTS = {2375, 2376}
HOSTILE = (
    "$(touch /tmp/broken-in)",
    "`touch /tmp/broken-in`",
    "'; touch /tmp/broken-in; '",
    '"; touch /tmp/broken-in; "',
    "a\nb && touch /tmp/broken-in",
    "${HOME} $PATH \\ * ~ ! #",
)


def ports(table: str) -> set[int]:
    """The ports that something listens at, by /proc/net/tcp."""
    rows = [line.split() for line in table.splitlines() if ":" in line]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING}


@pytest.mark.security(21)
def test_no_engine_is_open_to_the_network_or_to_a_container(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    for host in releases.hosts:
        listening = ports(releases.sandbox.run(host, "cat /proc/net/tcp /proc/net/tcp6"))
        assert 22 in listening  # the table was read
        assert not listening & ENGINE_PORTS
        for name, container in releases.containers(host).items():
            told = json.dumps([container["Mounts"], container["HostConfig"]])
            assert "docker.sock" not in told, name
            assert not container["HostConfig"]["Privileged"], name


@pytest.mark.security(22)
def test_the_deploy_account_has_a_key_of_its_own_and_no_password(running_sandbox: RunningSandbox) -> None:
    key = running_sandbox.sandbox.key
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    own = Path(f"{key}.pub").read_text().split()[1]
    for host in running_sandbox.hosts:
        told = running_sandbox.run(host, "sshd -T -C user=deploy,host=h,addr=192.0.2.1")
        says = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
        assert says["passwordauthentication"] == "no"
        assert says["kbdinteractiveauthentication"] == "no"
        assert says["permitrootlogin"] != "yes"
        keys = running_sandbox.run(host, f"cat ~{host.user}/.ssh/authorized_keys").split("\n")
        assert [line.split()[1] for line in keys if line] == [own]
    assert "`docker` is as good as root" in (ROOT / "README.md").read_text()


@pytest.mark.security(24)
def test_hostile_words_reach_the_application_as_they_are_and_run_nowhere(releases: Releases) -> None:
    wish: dict[str, Any] = {
        "app_env": {f"WORD_{number}": word for number, word in enumerate(HOSTILE)},
        "secrets": {f"SECRET_WORD_{number}": SecretStr(word) for number, word in enumerate(HOSTILE)},
    }
    releases.deploy(releases.build("1"), **wish)
    releases.deploy(releases.build("2"), **wish)
    releases.roll_back()
    for host in releases.hosts:
        env = dict(each.split("=", 1) for each in releases.containers(host)["tiny"]["Config"]["Env"])
        assert [env[f"WORD_{number}"] for number in range(len(HOSTILE))] == list(HOSTILE)
        assert [env[f"SECRET_WORD_{number}"] for number in range(len(HOSTILE))] == list(HOSTILE)
        assert releases.sandbox.run(host, "ls /tmp").count("broken-in") == 0
    assert not Path("/tmp/broken-in").exists()


@pytest.mark.security(24)
def test_any_argument_reaches_a_script_on_a_host_as_it_is(running_sandbox: RunningSandbox) -> None:
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
    with running_sandbox.connect(running_sandbox.hosts[0]) as connection:

        @settings(max_examples=60)
        @given(st.lists(st.one_of(text, st.sampled_from(HOSTILE)), min_size=1, max_size=5))
        def arrives(words: list[str]) -> None:
            said = connection.run("""printf '%s\\0' "$@" | od -An -v -tx1""", args=words).out
            assert bytes.fromhex("".join(said.split())).decode().split("\0")[:-1] == words

        arrives()
        assert "broken-in" not in connection.run(["ls", "/tmp"]).out
