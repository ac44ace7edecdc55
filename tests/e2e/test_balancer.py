"""Hosts behind a balancer: each is taken out while it is replaced, so that even recreate loses no request."""

import stat
import time
from typing import Any

import pytest

from deploy.hosts.lock import Owner, hold
from deploy.rollout.status import status
from deploy.rollout.survey import Manner
from deploy.values.addresses import Published
from deploy.values.errors import Failure, HostError, LockedError, RolledBack, Unreachable
from deploy.values.events import Stream
from tests.support.balanced import BALANCER, Balanced
from tests.support.probing import probing, told
from tests.support.rollouts import APP, Releases, invoke
from tests.support.shell_pipeline import run_by_hand
from tests.support.tiny import push_tiny

HOOK = """#!/bin/sh
echo "$(basename "$0") $HOST $ADDRESS $HOOK_RELEASE" >> asked
"""


@pytest.fixture
def fleet(balanced: Balanced) -> Balanced:
    """A fleet that serves the first release behind its balancer."""
    if balanced.releases.sandbox.as_new or not _serves(balanced):
        balanced.reset()
        balanced.deploy(balanced.releases.build("1"))
    balanced.releases.sandbox.as_new = False
    return balanced


def _serves(fleet: Balanced) -> bool:
    try:
        return fleet.members() == {host.name for host in fleet.hosts} and len(fleet.answers()) == 1
    except (AssertionError, OSError):
        return False


def other(fleet: Balanced) -> str:
    """A version that does not serve."""
    return "2" if fleet.answers() == {"1"} else "1"


def test_a_first_release_starts_the_balancer_and_a_next_one_takes_each_host_out(balanced: Balanced) -> None:
    releases = balanced.releases
    balanced.deploy(releases.build("1"))
    assert balanced.members() == {host.name for host in balanced.hosts}
    assert balanced.answers() == {"1"}
    assert releases.names(balanced.balancer) == {BALANCER}
    assert not balanced.deploy(releases.build("1")).changed
    with probing((balanced.balancer,), releases.root) as probe:
        time.sleep(0.5)
        balanced.deploy(releases.build("2"), strategy="recreate", app_env={"START_DELAY": "1"})
        balanced.deploy(releases.build("1"), strategy="start-first")
        time.sleep(0.5)
    assert not probe.lost, told(probe.requests)
    assert set(probe.versions()) == {"1", "2"}
    for host in balanced.hosts:
        assert releases.steps(host).index("take-out") < releases.steps(host).index("start")
        assert releases.steps(host).index("switch") < releases.steps(host).index("put-back")
    assert balanced.members() == {host.name for host in balanced.hosts}
    audit = releases.sandbox.run(balanced.balancer, f"cat /home/deploy/.jarship/{APP}/audit.jsonl")
    assert len(audit.splitlines()) == 3
    releases.sandbox.as_new = False


def test_a_release_that_fails_on_the_second_host_loses_nothing_on_its_way_back(fleet: Balanced) -> None:
    releases = fleet.releases
    second = fleet.hosts[1]
    version = fleet.answers()
    build = releases.build(other(fleet))

    def kill() -> None:
        releases.sandbox.run(second, f"docker kill {releases.candidate()}")

    with probing((fleet.balancer,), releases.root) as probe:
        with releases.at("health", second, kill), pytest.raises(RolledBack):
            fleet.deploy(build, strategy="recreate", app_env={"START_DELAY": "1"})
        time.sleep(0.5)
    assert not probe.lost, told(probe.requests)
    assert fleet.answers() == version
    assert fleet.members() == {host.name for host in fleet.hosts}


@pytest.mark.thorough
def test_a_rollback_goes_by_the_balancer_too(fleet: Balanced) -> None:
    releases = fleet.releases
    version = fleet.answers()
    fleet.deploy(releases.build(other(fleet)))
    with probing((fleet.balancer,), releases.root) as probe:
        releases.roll_back(**fleet.wish(strategy="recreate"))
        time.sleep(0.3)
    assert not probe.lost, told(probe.requests)
    assert fleet.answers() == version


def test_a_balancer_that_is_away_changes_nothing_even_where_hosts_may_be_left_out(fleet: Balanced) -> None:
    releases = fleet.releases
    build = releases.build(other(fleet))
    container = releases.engine.containers.get(releases.sandbox.sandbox.container(fleet.balancer.name))
    container.stop(timeout=0)
    try:
        for manner in (Manner(), Manner(skip_unreachable=True)):
            with pytest.raises(Unreachable) as raised:
                fleet.deploy(build, manner=manner)
            assert raised.value.exit_code == 5
            assert raised.value.host == fleet.balancer.name
            assert all(releases.untouched(host) for host in fleet.every)
    finally:
        container.start()
    deadline = time.monotonic() + 60
    while not _serves(fleet) and time.monotonic() < deadline:
        time.sleep(0.3)
    fleet.deploy(build)  # it came back as it was, and knows its hosts
    assert fleet.answers() == {build.tag}


@pytest.mark.thorough
def test_a_balancer_that_somebody_else_holds_is_waited_for_or_refused(fleet: Balanced) -> None:
    releases = fleet.releases
    owner = Owner(who="other", where="desk", release="9.9", since="2026-01-01T00:00:00Z")
    build = releases.build(other(fleet))
    with (
        releases.sandbox.connect(fleet.balancer) as connection,
        hold(connection, APP, owner),
        pytest.raises(LockedError) as raised,
    ):
        fleet.deploy(build)
    assert (raised.value.exit_code, raised.value.host) == (3, fleet.balancer.name)
    assert "other" in f"{raised.value.what} {raised.value.why}"
    assert all(releases.untouched(host) for host in fleet.every)


@pytest.mark.thorough
def test_a_host_that_is_left_out_gets_no_request_until_repair_brings_it_up(fleet: Balanced) -> None:
    releases = fleet.releases
    first, second = fleet.hosts
    build = releases.build(other(fleet))
    container = releases.engine.containers.get(releases.sandbox.sandbox.container(second.name))
    container.pause()
    try:
        fleet.deploy(build, manner=Manner(skip_unreachable=True))
        assert fleet.members() == {first.name}
        assert fleet.answers() == {build.tag}
    finally:
        container.unpause()
    releases.repair(**fleet.wish())
    assert fleet.members() == {first.name, second.name}
    assert releases.version(second) == build.tag
    assert not releases.repair(**fleet.wish()).changed


@pytest.mark.thorough
def test_the_last_host_in_service_is_not_taken_out(fleet: Balanced) -> None:
    """Somebody took the other one out by hand, so that this rollout would leave nobody."""
    releases = fleet.releases
    first, second = fleet.hosts
    build = releases.build(other(fleet))
    before = fleet.answers()

    def alone() -> None:
        change = f"sed -i '/server {second.reached_at}/d; s/ {second.reached_at}:8080//'"
        script = f"{change} /etc/nginx/jarship/upstream.conf && nginx -s reload && sleep 1"
        releases.sandbox.run(fleet.balancer, f'docker exec {BALANCER} sh -c "{script}"')

    with releases.at("take-out", first, alone), pytest.raises(Failure) as raised:
        fleet.deploy(build, strategy="recreate")
    assert "last host" in raised.value.what
    assert raised.value.exit_code == 7, "the balancer is not as this rollout found it"
    assert fleet.answers() == before
    assert releases.versions()[:2] == list(before) * 2
    with probing((fleet.balancer,), releases.root) as probe:
        fleet.deploy(build, strategy="recreate")
    assert not probe.lost, told(probe.requests)
    assert releases.steps(second)
    assert fleet.members() == {first.name, second.name}


def test_the_team_s_hooks_take_out_and_put_back(fleet: Balanced) -> None:
    releases = fleet.releases
    folder = releases.root / "hooks"
    folder.mkdir()
    for name in ("take-out", "put-back"):
        hook = folder / name
        hook.write_text(HOOK)
        hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    asked = releases.root / "asked"
    build = releases.build(other(fleet))
    try:
        releases.deploy(build, only=fleet.hosts, strategy="recreate")
        lines = asked.read_text().splitlines()
        assert lines == [
            f"{word} {host.name} {host.reached_at} {build.tag}"
            for host in fleet.hosts
            for word in ("take-out", "put-back")
        ]
        asked.unlink()
        (folder / "put-back").write_text("#!/bin/sh\nexit 3\n")
        with pytest.raises(Failure) as raised:
            releases.deploy(releases.build("3"), only=fleet.hosts, strategy="recreate")
        assert raised.value.exit_code == 7, "the way back needs the hook, which still fails"
        assert "put-back" in raised.value.what
    finally:
        for hook in folder.iterdir():
            hook.unlink()
        folder.rmdir()
    releases.sandbox.reset()


@pytest.mark.thorough
def test_two_applications_share_the_balancer_and_the_hosts(fleet: Balanced) -> None:
    releases = fleet.releases
    other: dict[str, Any] = {"app_name": "other", "app_port": Published(port=8081)}
    build = push_tiny(releases.engine, releases.settings(**other), "of-another", Stream())
    before = fleet.answers()
    fleet.deploy(build, **other)
    ask = r"exec 3<>/dev/tcp/127.0.0.1/8081; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3"
    assert "version=of-another" in releases.sandbox.run(fleet.balancer, f'bash -c "{ask}"')
    assert releases.names(fleet.balancer) == {BALANCER, "other-balancer"}
    assert fleet.answers() == before
    assert fleet.members() == {host.name for host in fleet.hosts}
    releases.sandbox.reset()


@pytest.mark.thorough
def test_a_plan_tells_of_the_balancer_and_is_refused_once_it_sends_elsewhere(fleet: Balanced) -> None:
    releases = fleet.releases
    build = releases.build(other(fleet))
    path = releases.root / "plan-behind.json"
    code, out, said = task(fleet, "plan", f"--build={releases.build_file(build)}", f"--out={path}")
    assert code == 8, said
    members = ", ".join(sorted(f"{host.reached_at}:8080" for host in fleet.hosts))
    lb = f"{fleet.balancer.address}:{fleet.balancer.port}"
    assert f"{lb}: balancer over {members}" in out
    assert out.count("taken out of the balancers while it is replaced: no request is lost") == 2
    script = f"sed -i '/server {fleet.hosts[1].reached_at}/d; s/ {fleet.hosts[1].reached_at}:8080//'"
    change = f"{script} /etc/nginx/jarship/upstream.conf && nginx -s reload && sleep 1"
    releases.sandbox.run(fleet.balancer, f'docker exec {BALANCER} sh -c "{change}"')
    code, _, said = task(fleet, "deploy", f"--plan={path}")
    assert code == 5, said
    assert "it sends to" in said
    code, _, said = task(fleet, "repair")
    assert code == 0, said
    assert fleet.members() == {host.name for host in fleet.hosts}
    code, _, said = task(fleet, "deploy", f"--plan={path}")
    assert code == 0, said
    assert fleet.answers() == {build.tag}
    code, out, said = task(fleet, "status")
    assert code == 0, said
    assert "balances over" in out


def task(fleet: Balanced, *words: str) -> tuple[int, str, str]:
    """A task as a process: its exit code, and what it printed on each stream."""
    releases = fleet.releases
    environ = releases.environ(
        HOSTS=releases.sandbox.hosts_setting(fleet.hosts),
        BALANCERS=releases.sandbox.hosts_setting((fleet.balancer,)),
    )
    process = invoke(*words, folder=releases.root, environ=environ)
    out, said = process.communicate(timeout=120)
    return process.returncode, out, said


def test_status_tells_of_balancers(fleet: Balanced) -> None:
    releases = fleet.releases
    inventory = releases.settings(**fleet.wish()).inventory()
    rows = {row["host"]: row for row in status(APP, inventory)}
    assert set(rows) == {host.name for host in fleet.every}
    state = str(rows[fleet.balancer.name]["state"])
    assert state.startswith("running, balances over ")
    assert all(f"{host.reached_at}:8080" in state for host in fleet.hosts)


def test_a_foreign_container_on_the_balancers_port_is_refused_before_anything(balanced: Balanced) -> None:
    releases: Releases = balanced.releases
    balanced.reset()
    with releases.listening(balanced.balancer, 8080), pytest.raises(HostError) as raised:
        balanced.deploy(releases.build("1"))
    assert any("port 8080 is taken" in text for text in raised.value.details)
    assert all(releases.untouched(host) for host in balanced.every)


@pytest.mark.thorough
def test_going_back_to_what_was_adopted_loses_nothing_either(balanced: Balanced) -> None:
    releases = balanced.releases
    balanced.reset()
    for host in balanced.hosts:
        run_by_hand(releases, host, "0.0")
    balanced.deploy(releases.build("1"), adopt=True)
    assert balanced.answers() == {"1"}
    with probing((balanced.balancer,), releases.root) as probe:
        time.sleep(0.5)
        result = releases.roll_back(**balanced.wish())
        time.sleep(0.5)
    assert [host.now for host in result.hosts] == ["adopted tiny:0.0"] * 2
    assert not probe.lost, told(probe.requests)
    assert probe.versions() == ["1", "0.0"]
    assert balanced.members() == {host.name for host in balanced.hosts}
    assert not releases.repair(**balanced.wish()).changed
