"""Every state that a kill can leave, from the real steps over an engine in memory, and what mends it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from deploy.rollout.found import find, release_of
from deploy.rollout.mend import fleet_release, is_well, parts_of
from deploy.rollout.plan import make_plan
from deploy.rollout.plan_repair import plan_repair
from deploy.rollout.strategy import Way
from deploy.values import labels
from deploy.values.errors import HostError
from deploy.values.facts import ContainerFacts
from deploy.values.plan import Plan, Strategy
from deploy.values.release import Release
from tests.support.fake_engine import Fleet, Fuse, Killed
from tests.support.fleet import a_container, a_release, host_facts, wishes

FIRST = a_release("20260101000001-aaaa", tag="1", digest="sha256:" + "1" * 64)
OLD = a_release("20260101000002-bbbb", tag="2", digest="sha256:" + "2" * 64)
NEW = a_release("20260101000003-cccc", tag="3", digest="sha256:" + "3" * 64, monitor=1)
NEXT = a_release("20260101000004-dddd", tag="4", digest="sha256:" + "4" * 64)
RELEASES = {release.id: release for release in (FIRST, OLD, NEW, NEXT)}
HOSTS = ("h1", "h2", "h3")


def deploying(fleet: Fleet, release: Release, strategy: Strategy = "start-first", **changes: Any) -> Plan:
    here = fleet.found()
    ways = {host: Way(strategy=strategy, why="asked") for host in here}
    return make_plan(release, here, ways, wishes(**changes))


def mending(fleet: Fleet, strategy: Strategy = "start-first") -> Plan:
    here = fleet.found()
    item = fleet_release(here)
    ways = {host: Way(strategy=strategy, why="asked") for host in here}
    told = item.labels[labels.HISTORY]
    return plan_repair(RELEASES[release_of(item)], told, here, ways, wishes())


def settled(hosts: tuple[str, ...] = HOSTS) -> Fleet:
    """A fleet that has been through two releases."""
    fleet = Fleet(hosts)
    for release in (FIRST, OLD):
        fleet.carry_out(deploying(fleet, release))
    return fleet


def killed(fleet: Fleet, plan: Plan, at: int, *, undoing: bool = False) -> bool:
    """Carry a plan out and kill it at a change, or its undoing; returns whether it came so far."""
    fuse = Fuse(None if undoing else at)
    for engine in fleet.engines.values():
        engine.fuse = fuse
    try:
        begun = fleet.carry_out(up_to_the_commit(plan) if undoing else plan)
        if undoing:
            fuse.left = fuse.count + at
            fleet.undo(begun)
    except Killed:
        return True
    finally:
        for engine in fleet.engines.values():
            engine.fuse = Fuse()
    return False


def up_to_the_commit(plan: Plan) -> Plan:
    """As far as a failure undoes it."""
    return replace(plan, stages=tuple(stage for stage in plan.stages if not stage.after_commit))


def every_kill(make: Any, plan: Any, **how: Any) -> Iterator[Fleet]:
    """The fleet after a kill at each change of a plan, one after the other."""
    for at in range(1000):
        fleet = make()
        if not killed(fleet, plan(fleet), at, **how):
            assert at > 10, "there was something to kill"
            return
        yield fleet


def assert_on_one_release(fleet: Fleet) -> str:
    here = fleet.found()
    (release,) = {release_of(found.plain) for found in here.values() if found.plain}
    for host, found in here.items():
        assert is_well(found, release), host
        assert fleet.running(host) == fleet.after_a_reboot(host) == [release]
    return release


@pytest.mark.fault(38)
@pytest.mark.parametrize("strategy", ["start-first", "recreate"])
@pytest.mark.parametrize("undoing", [False, True])
@pytest.mark.parametrize("made_from", ["same", "registry:5000/proxy@sha256 9090 abc"])
def test_after_a_kill_at_any_change_a_repair_brings_the_fleet_to_one_release(
    strategy: Strategy, undoing: bool, made_from: str
) -> None:
    changes = {} if made_from == "same" else {"proxy_made_from": made_from}
    ends = set()
    for fleet in every_kill(settled, lambda f: deploying(f, NEW, strategy, **changes), undoing=undoing):
        before = {host: committed_of(fleet, host) for host in HOSTS}
        fleet.carry_out(mending(fleet, strategy))
        ends.add(assert_on_one_release(fleet))
        assert fleet_release(fleet.found()).labels[labels.RELEASE] in before.values()
        assert not mending(fleet).changes
        kept = {release_of(item) for item in fleet.found()["h1"].kept}
        assert kept == ({FIRST.id} if ends_on(fleet) == OLD.id else {FIRST.id, OLD.id})
    assert OLD.id in ends
    assert NEW.id in ends or undoing


def committed_of(fleet: Fleet, host: str) -> str:
    item = fleet.found()[host].committed
    return release_of(item) if item else ""


def ends_on(fleet: Fleet) -> str:
    return release_of(fleet_release(fleet.found()))


@pytest.mark.fault(38)
@pytest.mark.parametrize("strategy", ["start-first", "recreate"])
@pytest.mark.parametrize("undoing", [False, True])
def test_after_a_kill_at_any_change_the_next_deploy_does_too(strategy: Strategy, undoing: bool) -> None:
    for fleet in every_kill(settled, lambda f: deploying(f, NEW, strategy), undoing=undoing):
        fleet.carry_out(deploying(fleet, NEXT, strategy))
        assert assert_on_one_release(fleet) == NEXT.id


@pytest.mark.fault(38)
def test_a_repair_that_is_killed_itself_is_repaired_too() -> None:
    two = ("h1", "h2")
    for at in range(0, 1000, 2):
        fleet = settled(two)
        if not killed(fleet, deploying(fleet, NEW), at):
            return
        for again in range(1000):
            fleet = settled(two)
            killed(fleet, deploying(fleet, NEW), at)
            if not killed(fleet, mending(fleet), again):
                break
            fleet.carry_out(mending(fleet))
            assert_on_one_release(fleet)


def test_a_repair_that_fails_leaves_what_served() -> None:
    for fleet in every_kill(settled, lambda f: deploying(f, NEW)):
        served = {host: fleet.engines[host].sends_to() for host in HOSTS}
        fleet.undo(fleet.carry_out(up_to_the_commit(mending(fleet))))
        for host, alias in served.items():
            if f"r{''.join(fleet.running(host))}" == alias:
                assert fleet.engines[host].sends_to() == alias


def test_the_first_deploy_ever_leaves_nothing_to_repair_to_until_it_has_finished_somewhere() -> None:
    ends = []
    for fleet in every_kill(lambda: Fleet(HOSTS), lambda f: deploying(f, NEW)):
        finished = any(found.committed for found in fleet.found().values())
        ends.append(finished)
        if finished:
            fleet.carry_out(mending(fleet))
            assert assert_on_one_release(fleet) == NEW.id
        else:
            with pytest.raises(HostError, match="No release has ever finished"):
                mending(fleet)
            fleet.carry_out(deploying(fleet, NEXT))
            assert assert_on_one_release(fleet) == NEXT.id
    assert ends == sorted(ends)


def test_a_fleet_that_is_well_needs_nothing() -> None:
    assert not mending(settled()).changes


@pytest.mark.parametrize("hosts", [("h1", "h2"), HOSTS])
def test_hosts_that_were_left_out_are_brought_up_to_the_others(hosts: tuple[str, ...]) -> None:
    """With two hosts, one each way is no tie: the release says whom it went without."""
    fleet = settled(hosts)
    left = hosts[-1]
    plan = deploying(fleet, a_release(NEW.id, tag="3", digest=NEW.digest, skipped=(left,)))
    stages = tuple(
        replace(
            stage,
            batches=tuple(tuple(work for work in batch if work.host != left) for batch in stage.batches),
        )
        for stage in plan.stages
    )
    fleet.carry_out(replace(plan, stages=stages))
    assert committed_of(fleet, left) == OLD.id
    repair = mending(fleet)
    assert {work.host for stage in repair.stages for batch in stage.batches for work in batch} == {left}
    fleet.carry_out(repair)
    assert assert_on_one_release(fleet) == NEW.id
    assert [entry.id for entry in fleet.found()[left].chain] == [NEW.id, OLD.id, FIRST.id]


def test_a_new_host_gets_the_release_of_the_others() -> None:
    fleet = settled()
    fleet.engines["h2"].containers_.clear()
    fleet.carry_out(mending(fleet))
    assert assert_on_one_release(fleet) == OLD.id


@pytest.mark.parametrize("damage", ["policy", "stopped", "proxy", "proxy policy", "upstream", "name"])
def test_what_somebody_changed_by_hand_is_put_right(damage: str) -> None:
    fleet = settled()
    engine = fleet.engines["h2"]
    serving, proxy = engine.get("hello"), engine.get("hello-proxy")
    if damage == "policy":
        serving.policy = "no"
    elif damage == "stopped":
        serving.state = "exited"
    elif damage == "proxy":
        del engine.containers_[proxy.id]
    elif damage == "proxy policy":
        proxy.policy = "no"
    elif damage == "upstream":
        proxy.loaded = "none"
    else:
        serving.name = f"hello-{OLD.id}"
    fleet.carry_out(mending(fleet))
    assert assert_on_one_release(fleet) == OLD.id


def test_nothing_that_finished_means_nothing_to_repair_to() -> None:
    with pytest.raises(HostError, match="No release has ever finished"):
        fleet_release({"h1": find(host_facts(), app="hello", profile="dev", sends_to="")})


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (["2"], "2"),
        (["2", "3"], "2"),
        (["3", "3", "2"], "3"),
        (["3", "2", "2"], "2"),
        (["2", "3", "3", "2"], "2"),
        (["1", "2", "3"], "1"),
    ],
)
def test_the_fleet_is_on_what_most_hosts_are_the_earlier_on_a_tie(on: list[str], expected: str) -> None:
    one = a_container(FIRST)
    two = a_container(OLD, before=one)
    by_tag = {"1": one, "2": two, "3": a_container(NEW, before=two)}
    assert fleet_release(hosts_with(*(by_tag[tag] for tag in on))).labels[labels.TAG] == expected


def test_which_is_earlier_is_told_by_history_not_by_clocks() -> None:
    ahead = a_container(a_release("20270101000000-ffff", tag="earlier, by a clock that was ahead"))
    later = a_container(NEW, before=ahead)
    assert fleet_release(hosts_with(later, ahead)) == ahead


def hosts_with(*containers: ContainerFacts) -> dict[str, Any]:
    return {
        f"h{number}": find(host_facts(item), app="hello", profile="dev", sends_to="")
        for number, item in enumerate(containers)
    }


def test_an_earlier_release_that_other_hosts_do_not_know_stays() -> None:
    """A host that was out of the fleet for long has a past of its own."""
    other = a_container(FIRST, name=FIRST.container, state="exited")
    serving = a_container(OLD, before=other)
    found = find(host_facts(serving, other), app="hello", profile="dev", sends_to=OLD.alias)
    parts = parts_of(found, NEW.id)
    assert (parts.strays, parts.serving, parts.kept) == ((), serving, (serving, other))
