"""Rollouts to two real hosts: what runs afterwards, how, and what stays of what ran before."""

import json
from typing import Any

import pytest

from deploy.values import labels
from deploy.values.addresses import Published
from deploy.values.errors import HostError
from tests.support.rollouts import SECRET, Releases


def test_a_first_release_and_the_next_one(releases: Releases) -> None:
    first = releases.deploy(releases.build("1"))
    assert [host.was for host in first.hosts] == ["", ""]
    assert releases.versions() == ["1", "1"]

    second = releases.deploy(releases.build("2"), strategy="recreate")
    assert [(host.was, host.now) for host in second.hosts] == [("1", "2"), ("1", "2")]
    assert releases.versions() == ["2", "2"]
    for host in releases.hosts:
        containers = releases.containers(host)
        assert set(containers) == {"tiny", "tiny-proxy", f"tiny-{first.release.id}"}
        kept = containers[f"tiny-{first.release.id}"]
        assert not kept["State"]["Running"]
        assert kept["HostConfig"]["RestartPolicy"]["Name"] == "no"
        history = json.loads(containers["tiny"]["Config"]["Labels"][labels.HISTORY])
        assert [entry["id"] for entry in history] == [first.release.id]


def test_the_first_host_goes_alone_and_nothing_is_stopped_before_everything_is_pulled(
    releases: Releases,
) -> None:
    releases.deploy(releases.build("1"))
    releases.deploy(releases.build("2"), strategy="recreate")
    one, two = releases.hosts
    order = [(event.step, event.host) for event in releases.events if event.kind == "finished" and event.host]
    assert order.index(("pull", two.name)) < order.index(("stop", one.name))
    assert order.index(("switch", one.name)) < order.index(("stop", two.name))
    assert order.index(("switch", two.name)) < order.index(("commit", one.name))


def test_start_first_stops_the_old_one_last(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    releases.deploy(releases.build("2"), strategy="start-first")
    assert releases.steps(releases.hosts[0])[:8] == [
        "pull", "create", "start", "health", "switch", "drain", "stop", "commit"
    ]  # fmt: skip
    assert releases.versions() == ["2", "2"]


def test_the_same_again_does_nothing_and_force_replaces(releases: Releases) -> None:
    build = releases.build("1")
    releases.deploy(build)
    assert not releases.deploy(build).changed
    assert all(releases.untouched(host) for host in releases.hosts)
    assert releases.deploy(build, force=True).changed


def test_other_settings_are_another_release_of_the_same_build(releases: Releases) -> None:
    build = releases.build("1")
    releases.deploy(build)
    assert releases.deploy(build, app_env={"GREETING": "hello"}).changed
    assert "GREETING=hello" in releases.answer(releases.hosts[0], "/env")


def test_one_digest_serves_every_profile(releases: Releases) -> None:
    build = releases.build("1")
    one, two = releases.hosts
    dev = releases.deploy(build, only=(one,), profile="dev")
    prod = releases.deploy(build, only=(two,), profile="prod")
    assert dev.release.digest == prod.release.digest
    assert "profile=dev" in releases.answer(one)
    assert "profile=prod" in releases.answer(two)


@pytest.mark.security(1)
@pytest.mark.security(13)
@pytest.mark.security(15)
@pytest.mark.security(19)
@pytest.mark.security(20)
def test_how_the_container_runs(releases: Releases) -> None:
    result = releases.deploy(
        releases.build("1"),
        cpus=0.5,
        app_port=Published(port=8080, address="127.0.0.1"),
        app_env={"A": "b c"},
    )
    host = releases.hosts[0]
    containers = releases.containers(host)
    app, proxy = containers["tiny"], containers["tiny-proxy"]
    assert app["Config"]["Image"].endswith(f"@{result.release.digest}")
    assert app["HostConfig"]["Memory"] == 64 * 2**20
    assert app["HostConfig"]["NanoCpus"] == 500_000_000
    assert app["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert not app["HostConfig"]["PortBindings"]
    assert set(app["Config"]["Env"]) >= {"PROFILE=dev", "A=b c", f"TOKEN={SECRET}"}
    for container in (app, proxy):
        log = container["HostConfig"]["LogConfig"]
        assert log["Type"] == "json-file"
        assert log["Config"].keys() >= {"max-size", "max-file"}
    assert proxy["HostConfig"]["PortBindings"] == {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}
    listening = releases.sandbox.run(host, "ss -Hltn sport = :8080")
    assert [line.split()[3] for line in listening.splitlines()] == ["127.0.0.1:8080"]
    assert releases.sandbox.run(host, "docker top tiny -o pid,uid | tail -n 1").split()[1] == "10001"
    for user in ("root", "deploy"):
        where = releases.sandbox.run(host, "cat ~/.docker/config.json 2>/dev/null || true", user=user)
        assert "auth" not in where


def test_the_image_stays_though_the_host_prunes(releases: Releases) -> None:
    releases.deploy(releases.build("1"))
    releases.deploy(releases.build("2"))
    host = releases.hosts[0]
    releases.sandbox.run(host, "docker image prune -f")
    tags = releases.sandbox.run(host, "docker images --format '{{.Repository}}' | grep -c jarship/tiny")
    assert int(tags) >= 2


@pytest.mark.thorough
def test_only_as_many_earlier_releases_stay_as_wished(releases: Releases) -> None:
    ids = [releases.deploy(releases.build(str(number)), keep_releases=1).release.id for number in range(1, 4)]
    for host in releases.hosts:
        assert releases.names(host) == {"tiny", "tiny-proxy", f"tiny-{ids[1]}"}


def test_a_mount_is_refused_until_it_can_be_written_then_the_log_is_there(releases: Releases) -> None:
    from deploy.values.mounts import Mount

    build = releases.build("1")
    wish: dict[str, Any] = {
        "mounts": (Mount(source="/srv/logs", target="/momo"),),
        "log_file": "/momo/app.log",
    }
    with pytest.raises(HostError) as raised:
        releases.deploy(build, **wish)
    line = next(text for text in raised.value.details if "host-1" in text)
    command = line.partition("`")[2].partition("`")[0]
    assert command == "sudo install -d -o 10001 -g 10001 /srv/logs"
    for host in releases.hosts:
        releases.sandbox.run(host, command.removeprefix("sudo "))
    releases.deploy(build, **wish)
    host = releases.hosts[0]
    assert releases.sandbox.run(host, "wc -c < /srv/logs/app.log").strip() != "0"

    releases.sandbox.run(host, "chown root /srv/logs/app.log && chmod 600 /srv/logs/app.log")
    with pytest.raises(HostError) as raised:
        releases.deploy(build, **wish, force=True)
    assert any("sudo chown -R 10001:10001 /srv/logs" in text for text in raised.value.details)
    assert releases.version(host) == "1"
    for each in releases.hosts:
        releases.sandbox.run(each, "rm -rf /srv/logs")
