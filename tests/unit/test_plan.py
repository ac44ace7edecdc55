from collections.abc import Mapping

import pytest

from deploy.rollout import plan as planning
from deploy.rollout.found import Found, find
from deploy.rollout.plan import Wishes
from deploy.rollout.strategy import Way
from deploy.values import history
from deploy.values.facts import ContainerFacts
from deploy.values.history import Entry
from deploy.values.plan import Plan, Strategy
from deploy.values.release import Release
from deploy.values.sizes import Batch
from deploy.values.steps import Commit, Create, Discard, Prune, StartProxy, Step, StopIdle, StopOld, Switch
from tests.support.fleet import a_container, a_proxy, a_release, host_facts, wishes

OLD = a_release("20260101000001-aaaa", tag="0.9-1234567", digest="sha256:" + "b" * 64)
NEW = a_release("20260101000009-eeee")


def make_plan(
    release: Release, here: Mapping[str, Found], wish: Wishes, strategy: Strategy = "recreate"
) -> Plan:
    ways = {host: Way(strategy=strategy, why="asked") for host in here}
    return planning.make_plan(release, here, ways, wish)


def found(*containers: ContainerFacts, sends_to: str = "") -> Found:
    return find(host_facts(*containers), app="hello", profile="dev", sends_to=sends_to)


def serving() -> Found:
    return found(a_container(OLD), a_proxy(), sends_to=OLD.alias)


def names(plan: Plan, host: str) -> list[str]:
    return [step.name for step in steps_of(plan, host)]


def fleet(count: int) -> Mapping[str, Found]:
    return {f"h{number}": serving() for number in range(1, count + 1)}


def test_a_first_deploy_sets_up_the_proxy_and_stops_nothing() -> None:
    plan = make_plan(NEW, {"h1": found()}, wishes())
    assert names(plan, "h1") == [
        "pull", "pull", "network", "proxy", "create", "start", "health", "switch", "commit", "prune"
    ]  # fmt: skip
    assert plan.hosts[0].was is None


def test_a_redeploy_recreates_behind_the_proxy_that_is_there() -> None:
    plan = make_plan(NEW, {"h1": serving()}, wishes())
    assert names(plan, "h1") == ["pull", "create", "stop", "start", "health", "switch", "commit", "prune"]
    stop = next(
        step for stage in plan.stages for step in stage.batches[0][0].steps if isinstance(step, StopOld)
    )
    assert (stop.old.tag, stop.old.alias, stop.old.running) == (OLD.tag, OLD.alias, True)


def test_start_first_is_the_same_steps_in_another_order() -> None:
    plan = make_plan(NEW, {"h1": serving()}, wishes(), "start-first")
    assert names(plan, "h1") == [
        "pull", "create", "start", "health", "switch", "drain", "stop", "commit", "prune"
    ]  # fmt: skip


def test_draining_hosts_hold_up_no_start() -> None:
    plan = make_plan(NEW, fleet(3), wishes(), "start-first")
    order = [stage.name for stage in plan.stages]
    assert order == ["pull", "prepare", "first", "next", "drain", "commit", "prune"]
    (batch,) = plan.stages[4].batches
    assert [work.host for work in batch] == ["h1", "h2", "h3"]


def test_nothing_is_stopped_before_everything_is_pulled_and_created_everywhere() -> None:
    plan = make_plan(NEW, fleet(3), wishes())
    order = [stage.name for stage in plan.stages]
    assert order == ["pull", "prepare", "first", "next", "commit", "prune"]
    assert {work.host for work in plan.stages[0].batches[0]} == {"h1", "h2", "h3"}


def test_the_first_host_goes_alone_then_batches() -> None:
    plan = make_plan(NEW, fleet(6), wishes(batch=Batch(count=2)))
    stages = {stage.name: [[work.host for work in batch] for batch in stage.batches] for stage in plan.stages}
    assert stages["first"] == [["h1"]]
    assert stages["next"] == [["h2", "h3"], ["h4", "h5"], ["h6"]]


def test_a_whole_fleet_at_once_only_when_asked_in_so_many_words() -> None:
    plan = make_plan(NEW, fleet(3), wishes(batch=Batch(percent=100)))
    stages = {stage.name: [[work.host for work in batch] for batch in stage.batches] for stage in plan.stages}
    assert stages["first"] == [["h1", "h2", "h3"]]
    by_count = make_plan(NEW, fleet(3), wishes(batch=Batch(count=3)))
    assert [len(batch) for stage in by_count.stages if stage.name == "first" for batch in stage.batches] == [
        1
    ]


def test_the_first_host_is_watched_before_the_others_are_touched() -> None:
    watched = a_release("20260101000009-eeee", monitor=5)
    plan = make_plan(watched, fleet(2), wishes())
    assert [stage.name for stage in plan.stages] == [
        "pull", "prepare", "first", "monitor", "next", "monitor", "commit", "prune"
    ]  # fmt: skip


def test_the_commit_is_last_and_on_all_hosts_at_once() -> None:
    plan = make_plan(NEW, fleet(3), wishes())
    (batch,) = plan.stages[-2].batches
    assert [work.host for work in batch] == ["h1", "h2", "h3"]
    (commit,) = batch[0].steps
    assert isinstance(commit, Commit)
    assert commit.old_name == OLD.container


def test_the_same_again_is_nothing_to_do_unless_forced() -> None:
    again = a_release("20260101000010-ffff")
    here = found(a_container(NEW), a_proxy(), sends_to=NEW.alias)
    assert not make_plan(again, {"h1": here}, wishes()).changes
    assert make_plan(again, {"h1": here}, wishes(force=True)).changes


@pytest.mark.parametrize("other", ["environment", "digest", "stopped", "leftover", "proxy"])
def test_any_difference_is_something_to_do(other: str) -> None:
    release = a_release(
        "20260101000010-ffff", **({"digest": "sha256:" + "c" * 64} if other == "digest" else {})
    )
    if other == "environment":
        release = a_release("20260101000010-ffff", spec=type(release.spec)(environment={"A": "1"}, port=8080))
    containers = [a_container(NEW, state="exited" if other == "stopped" else "running")]
    containers.append(a_proxy("other" if other == "proxy" else a_proxy().labels["io.jarship.proxy"]))
    if other == "leftover":
        containers.append(a_container(OLD, name=OLD.container))
    here = found(*containers, sends_to=NEW.alias)
    assert make_plan(release, {"h1": here}, wishes()).changes


def test_leftovers_of_a_killed_rollout_are_removed_first() -> None:
    half = a_release("20260101000005-dddd")
    here = found(a_container(OLD), a_container(half, name=half.container), a_proxy(), sends_to=OLD.alias)
    plan = make_plan(NEW, {"h1": here}, wishes())
    prepare = next(stage for stage in plan.stages if stage.name == "prepare").batches[0][0].steps
    assert isinstance(prepare[0], Discard)
    assert prepare[0].container_name == half.container
    assert isinstance(prepare[-1], Create)


def test_what_a_killed_rollout_left_running_beside_the_one_that_serves_is_stopped() -> None:
    half = a_release("20260101000005-dddd")
    old = a_container(OLD)
    serving = a_container(half, name=half.container, before=old)
    here = found(old, serving, a_proxy(), sends_to=half.alias)
    plan = make_plan(NEW, {"h1": here}, wishes())
    steps = [step for stage in plan.stages for step in stage.batches[0][0].steps]
    (idle,) = [step for step in steps if isinstance(step, StopIdle)]
    assert idle.container == old.id
    assert make_plan(half, {"h1": here}, wishes()).changes


def test_another_port_or_image_replaces_the_proxy_and_keeps_it_sending() -> None:
    here = found(a_container(OLD), a_proxy("before"), sends_to=OLD.alias)
    plan = make_plan(NEW, {"h1": here}, wishes())
    steps = [step for stage in plan.stages for step in stage.batches[0][0].steps]
    (start,) = [step for step in steps if isinstance(step, StartProxy)]
    assert (start.replaces, start.sends_to, start.container_port) == (a_proxy().id, OLD.alias, 8080)
    assert "interrupts" in start.text
    assert isinstance(steps[-1], Prune)
    assert steps[-1].containers == (a_proxy().id,)


def test_a_candidate_that_serves_is_what_going_back_means() -> None:
    """A rollout was killed between switch and commit: its candidate serves, the plain name is stopped."""
    half = a_release("20260101000005-dddd", tag="half")
    old = a_container(OLD, state="exited")
    candidate = a_container(half, name=half.container, before=old)
    here = found(old, candidate, a_proxy(), sends_to=half.alias)
    plan = make_plan(NEW, {"h1": here}, wishes())
    assert plan.hosts[0].was is not None
    assert plan.hosts[0].was.tag == "half"
    steps = [step for stage in plan.stages for step in stage.batches[0][0].steps]
    (switch,) = [step for step in steps if isinstance(step, Switch)]
    assert switch.old is not None
    assert switch.old.alias == half.alias
    (commit,) = [step for step in steps if isinstance(step, Commit)]
    assert commit.old_name == OLD.container


def test_only_as_many_are_kept_as_wished() -> None:
    kept = []
    before = None
    for number in range(1, 5):
        release = a_release(f"2026010100000{number}-aaaa")
        container = a_container(release, name=release.container, state="exited", before=before)
        kept.append(container)
        before = container
    current = a_release("20260101000005-aaaa", tag="5")
    here = found(a_container(current, before=before), *kept, a_proxy(), sends_to=current.alias)
    assert len(here.kept) == 4
    plan = make_plan(NEW, {"h1": here}, wishes(keep_releases=2, force=True))
    prune = plan.stages[-1]
    assert prune.after_commit
    (step,) = prune.batches[0][0].steps
    assert isinstance(step, Prune)
    assert step.containers == (kept[2].id, kept[1].id, kept[0].id)


def test_what_served_and_never_finished_is_not_kept() -> None:
    half = a_release("20260101000005-dddd")
    old = a_container(OLD, state="exited")
    here = found(old, a_container(half, name=half.container, before=old), a_proxy(), sends_to=half.alias)
    plan = make_plan(NEW, {"h1": here}, wishes())
    assert [entry.id for entry in history_in(plan)] == [OLD.id]
    assert pruned(plan) == (f"id-of-{half.id}",)


def test_going_back_brings_the_same_once_more_and_keeps_it_once() -> None:
    """First, second, back to first: what went before is second, and first's own container goes."""
    older = a_container(OLD, name=OLD.container, state="exited")
    first = a_release("20260101000002-aaaa", tag="1")
    second = a_release("20260101000003-bbbb", tag="2", digest="sha256:" + "b" * 64)
    one = a_container(first, name=first.container, state="exited", before=older)
    two = a_container(second, before=one)
    back = a_release("20260101000004-cccc", tag="1", origin=first.id)
    plan = make_plan(back, {"h1": found(two, one, older, a_proxy(), sends_to=second.alias)}, wishes())
    assert [entry.id for entry in history_in(plan)] == [second.id, OLD.id]
    assert pruned(plan) == (one.id,)

    kept_two = a_container(second, name=second.container, state="exited", before=older)
    three = a_container(back, before=kept_two)
    forth = a_release("20260101000005-dddd", tag="2", digest="sha256:" + "b" * 64, origin=second.id)
    here = found(three, kept_two, older, a_proxy(), sends_to=back.alias)
    plan = make_plan(forth, {"h1": here}, wishes(keep_releases=1))
    assert [entry.id for entry in history_in(plan)] == [back.id, OLD.id]
    assert pruned(plan) == (kept_two.id, older.id)


def test_a_new_host_takes_over_what_the_fleet_went_through() -> None:
    plan = make_plan(NEW, {"h1": serving(), "h2": found()}, wishes())
    assert [entry.id for entry in history_in(plan, "h2")] == [OLD.id]


def steps_of(plan: Plan, host: str) -> list[Step]:
    return [
        step
        for stage in plan.stages
        for batch in stage.batches
        for work in batch
        if work.host == host
        for step in work.steps
    ]


def history_in(plan: Plan, host: str = "h1") -> tuple[Entry, ...]:
    (create,) = [step for step in steps_of(plan, host) if isinstance(step, Create)]
    return history.read(create.history)


def pruned(plan: Plan, host: str = "h1") -> tuple[str, ...]:
    (prune,) = [step for step in steps_of(plan, host) if isinstance(step, Prune)]
    return prune.containers
