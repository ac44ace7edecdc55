"""A fleet whose deployer was killed, and hosts that were left out, brought to one release."""

import pytest

from deploy.values import labels
from deploy.values.inventory import Host
from tests.support.rollouts import APP, Releases, read_until

RECREATE = pytest.param("recreate", "stop 1", marks=pytest.mark.thorough)


def serving(releases: Releases, host: Host) -> tuple[str, str, set[str]]:
    """What runs on a host: tag, restart policy, and the names of all that is there."""
    there = releases.containers(host)
    main = there[APP]
    running = {name for name, each in there.items() if each["State"]["Running"]}
    assert running == {APP, f"{APP}-proxy"}
    return (
        main["Config"]["Labels"][labels.TAG],
        main["HostConfig"]["RestartPolicy"]["Name"],
        set(there),
    )


@pytest.mark.fault(38)
@pytest.mark.parametrize(
    ("strategy", "marker"),
    [RECREATE, ("start-first", "switch .* done")],
)
def test_after_a_kill_the_fleet_is_on_one_release_again(
    releases: Releases, strategy: str, marker: str
) -> None:
    releases.deploy(releases.build("1"))
    process = releases.start_process(releases.build("2"), STRATEGY=strategy)
    read_until(process, f"{releases.hosts[1].place} {marker}")
    process.kill()
    process.wait()
    result = releases.repair()
    assert result.changed
    assert releases.versions() == ["1", "1"]
    for host in releases.hosts:
        tag, policy, names = serving(releases, host)
        assert (tag, policy) == ("1", "unless-stopped")
        assert names == {APP, f"{APP}-proxy"}
    assert not releases.repair().changed


def test_hosts_that_were_left_out_and_new_ones_get_the_release_of_the_others(releases: Releases) -> None:
    one, other = releases.hosts
    releases.deploy(releases.build("1"), app_env={"GREETING": "old"})
    rule = "INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset"
    releases.sandbox.run(other, f"iptables -A {rule}")
    try:
        process = releases.start_process(releases.build("2"), "--skip-unreachable", APP_ENV_GREETING="new")
        _, said = process.communicate(timeout=90)
    finally:
        releases.sandbox.run(other, f"iptables -D {rule}")
    assert process.returncode == 9, said
    assert (releases.version(one), releases.version(other)) == ("2", "1")
    before = releases.containers(one)
    assert releases.repair().changed
    assert releases.versions() == ["2", "2"]
    assert "GREETING=new" in releases.answer(other, "/env")
    assert releases.containers(one) == before, "what is well is left alone"

    releases.sandbox.run(other, "docker ps -aq | xargs docker rm -f; docker network prune -f")
    assert releases.repair().changed
    assert releases.versions() == ["2", "2"]
