"""Secrets as files in the host's memory: in no inspection and on no disk, and what a reboot costs."""

from typing import Any

import pytest
from pydantic import SecretStr

from deploy.values.errors import HostError, RolledBack
from deploy.values.inventory import Host
from tests.support.leaks import canary
from tests.support.rollouts import APP, Releases

FILES: dict[str, Any] = {"secrets_as": "files"}


def secret(word: str) -> dict[str, Any]:
    return {"secrets": {"DB_PASSWORD": SecretStr(word)}, **FILES}


def seen_inside(releases: Releases, host: Host, container: str = APP) -> dict[str, str]:
    """The files as the container has them, by name."""
    copied = "/run/copied"
    script = f"docker cp {container}:/run/secrets {copied}; cd {copied}; grep -H '' *; rm -r {copied}"
    return dict(line.split(":", 1) for line in releases.sandbox.run(host, script).splitlines())


def in_memory(releases: Releases, host: Host) -> list[str]:
    """The directories of secrets on a host."""
    return releases.sandbox.run(host, f"ls /dev/shm | grep '^jarship-{APP}-' || true").split()


def reboot(releases: Releases, host: Host) -> None:
    """And wait until its engine has started what it starts by itself, the proxy among it."""
    releases.sandbox.restart(host)
    releases.sandbox.run(
        host,
        f"for try in $(seq 200); do docker top {APP}-proxy > /dev/null 2>&1 && exit; sleep 0.1; done; exit 1",
    )


@pytest.mark.security(14)
def test_a_secret_is_a_file_that_no_inspection_shows(releases: Releases) -> None:
    word = canary("secret-files")
    releases.deploy(releases.build("1"), **secret(word))
    for host in releases.hosts:
        assert seen_inside(releases, host) == {"DB_PASSWORD": word, "db.password": word}
        shown = releases.containers(host)[APP]
        assert word not in str(shown)
        assert "SPRING_CONFIG_IMPORT=configtree:/run/secrets/" in shown["Config"]["Env"]
        [mount] = [each for each in shown["Mounts"] if each["Destination"] == "/run/secrets"]
        assert not mount["RW"]
        assert mount["Source"].startswith("/dev/shm/")
        pattern = f"secret-files-[{word[13]}]{word[14:24]}"  # so that the arguments of grep do not hold it
        places = "/var/lib/docker/containers /home /tmp /root"
        assert releases.sandbox.run(host, f"grep -rl '{pattern}' {places} || true") == ""
        assert releases.sandbox.run(host, f"grep -rl '{pattern}' /dev/shm") != ""
        stranger = f"su nobody -s /bin/sh -c 'cat {mount['Source']}/DB_PASSWORD' 2>&1 || true"
        assert "Permission denied" in releases.sandbox.run(host, stranger)
    assert not releases.deploy(releases.build("1"), **secret(word)).changed


def test_files_go_with_their_containers_and_come_back_with_them(releases: Releases) -> None:
    host = releases.hosts[0]
    kept: dict[str, Any] = {"only": (host,), "keep_releases": 1}
    releases.deploy(releases.build("1"), **secret("first-word-1"), **kept)
    releases.deploy(releases.build("2"), **secret("second-word-2"), **kept)
    assert len(in_memory(releases, host)) == 2
    ill: dict[str, Any] = {"app_env": {"HEALTH": "500"}, "health_timeout": 1}
    with pytest.raises(RolledBack):
        releases.deploy(releases.build("3"), **secret("third-word-3"), **ill, **kept)
    assert len(in_memory(releases, host)) == 2, "of a release that failed nothing is left"
    releases.roll_back(**secret("todays-word-4"), only=(host,), keep_releases=1)
    assert seen_inside(releases, host)["DB_PASSWORD"] == "first-word-1"
    releases.deploy(releases.build("4"), only=(host,), keep_releases=1)
    releases.deploy(releases.build("5"), only=(host,), keep_releases=1)
    assert in_memory(releases, host) == [], "no release is kept that had any"


@pytest.mark.thorough
def test_a_reboot_empties_them_and_repair_writes_them_again(releases: Releases) -> None:
    releases.deploy(releases.build("1"), **secret("first-word-1"))
    host = releases.hosts[1]
    reboot(releases, host)
    assert not in_memory(releases, host)
    assert releases.containers(host)[APP]["State"]["Running"] is False, "never without its secrets"
    releases.repair(**secret("another-word"))
    assert releases.versions() == ["1", "1"]
    assert seen_inside(releases, host)["DB_PASSWORD"] == "first-word-1", "as another host still has them"

    for each in releases.hosts:
        reboot(releases, each)
    with pytest.raises(HostError, match="a reboot has emptied"):
        releases.repair(**secret("another-word"))
    releases.repair(**secret("first-word-1"))
    assert releases.versions() == ["1", "1"]
    assert seen_inside(releases, host)["DB_PASSWORD"] == "first-word-1"
