"""Coming from the shell pipeline: its container is adopted, gone back to, and left again."""

import json
from typing import Any

import pytest

from deploy.rollout.look import releases as list_releases
from deploy.rollout.status import status
from deploy.values.adopting import kept_name
from deploy.values.errors import HostError, RolledBack
from deploy.values.events import Stream
from deploy.values.inventory import Inventory
from tests.support.rollouts import APP, Releases, invoke
from tests.support.shell_pipeline import run_by_hand, stands
from tests.support.state import one_release_serves

RESTART = "--restart=on-failure:3"


def test_a_deploy_names_it_and_the_option_and_a_failing_one_gives_everything_back(releases: Releases) -> None:
    host = releases.hosts[0]
    only: dict[str, Any] = {"only": (host,)}
    was = run_by_hand(releases, host, "0.0", RESTART)
    new = releases.build("1")
    with pytest.raises(HostError) as raised:
        releases.deploy(new, **only)
    for words in (f"a container named {APP} is there", "image registry:5000/tiny:0.0", "--adopt"):
        assert words in raised.value.details[0]
    assert stands(releases, host, APP) == was

    failing: dict[str, Any] = {"app_env": {"HEALTH": "500"}, "health_timeout": 2, "adopt": True, **only}
    with pytest.raises(RolledBack) as failed:
        releases.deploy(new, **failing, strategy="recreate")
    assert "every touched host is back" in failed.value.what.lower()
    assert releases.version(host) == "0.0"
    assert stands(releases, host, APP) == was
    assert releases.names(host) == {APP}


@pytest.mark.thorough
def test_a_plan_that_adopts_is_carried_out_only_as_long_as_it_is_the_same(releases: Releases) -> None:
    host = releases.hosts[0]
    run_by_hand(releases, host, "0.0", "-p 9090:9090")
    environ = releases.environ(HOSTS=releases.sandbox.hosts_setting((host,)))

    def task(*words: str) -> tuple[int, str]:
        process = invoke(*words, folder=releases.root, environ=environ)
        out, said = process.communicate(timeout=60)
        return process.returncode, out + said

    file = str(releases.build_file(releases.build("1")))
    assert task("plan", f"--build={file}")[0] == 5
    code, said = task("plan", f"--build={file}", "--adopt", "--out=plan.json")
    assert code == 8, said
    for words in ("interrupted while the port goes from tiny to the proxy", "is taken over", "port 9090"):
        assert words in said
    run_by_hand(releases, host, "0.1")
    code, said = task("deploy", "--plan=plan.json")
    assert (code, "adopted tiny:0.0" in said) == (5, True), said
    assert task("plan", f"--build={file}", "--adopt", "--out=plan.json")[0] == 8
    code, said = task("deploy", "--plan=plan.json")
    assert code == 0, said
    assert "adopted tiny:0.1" in said
    assert releases.version(host) == "1"
    (told,) = json.loads((releases.root / "build" / "result.json").read_text())["hosts"]
    assert (told["was"], told["now"]) == ("adopted tiny:0.1", "1")


def rows(releases: Releases) -> list[tuple[str, str]]:
    """What `releases` lists: what and where from."""
    listed = list_releases(APP, "dev", inventory(releases), Stream())
    return [(str(row["release"]), str(row["from"])) for row in listed]


def inventory(releases: Releases) -> Inventory:
    """Where the hosts are."""
    return releases.settings().inventory()


def test_it_is_adopted_gone_back_to_and_left_again(releases: Releases) -> None:
    hosts = releases.hosts
    found = {host: run_by_hand(releases, host, "0.0", RESTART) for host in hosts}
    result = releases.deploy(releases.build("1"), adopt=True)
    assert [(host.was, host.now) for host in result.hosts] == [("adopted tiny:0.0", "1")] * 2
    assert releases.versions() == ["1", "1"]
    for host, was in found.items():
        kept = stands(releases, host, kept_name(APP, was.id))
        assert (kept.id, kept.policy, kept.running) == (was.id, "no", False)
    assert rows(releases) == [("1", "serves"), ("adopted tiny:0.0", "container")] * 2

    assert releases.roll_back().hosts[0].now == "adopted tiny:0.0"
    assert releases.versions() == ["0.0", "0.0"]
    assert {host: stands(releases, host, APP) for host in hosts} == found, "as if it had never been adopted"
    assert rows(releases) == [("adopted tiny:0.0", "serves"), ("1", "container")] * 2
    told = [(row["release"], row["state"], row["health"]) for row in status(APP, inventory(releases))]
    assert told == [("adopted tiny:0.0", "running", "answers")] * 2
    with pytest.raises(HostError, match="would fail"):
        releases.deploy(releases.build("2"))
    assert not releases.roll_back("adopted").changed

    assert releases.roll_back().hosts[0].was == "adopted tiny:0.0"
    assert releases.versions() == ["1", "1"]
    releases.deploy(releases.build("2"))
    one_release_serves(releases, hosts, "2", beside=[kept_name(APP, was.id) for was in found.values()])
    releases.roll_back("adopted", strategy="recreate")
    assert {host: stands(releases, host, APP) for host in hosts} == found
