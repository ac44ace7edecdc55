"""A foreign container adopted, gone back to and left again: every state that a kill can leave on the way."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from deploy.rollout.adoption import why_not
from deploy.rollout.basis import seen
from deploy.rollout.found import Found, find, release_of
from deploy.rollout.mend import fleet_release, goes_back_to_adopted
from deploy.rollout.past import Past
from deploy.rollout.plan import make_plan
from deploy.rollout.plan_repair import plan_repair
from deploy.rollout.plan_return import plan_return
from deploy.rollout.refusals import Wanted, refuse
from deploy.rollout.strategy import Way, choose
from deploy.values import adopting, history, labels
from deploy.values.addresses import Published
from deploy.values.adopting import ADOPTED, Adopted, kept_name
from deploy.values.balancing import Balancer, Balancing
from deploy.values.errors import HostError
from deploy.values.history import Entry
from deploy.values.plan import Plan, Strategy
from deploy.values.release import Release
from deploy.values.sizes import Batch
from tests.support.fake_engine import Container, Fleet
from tests.support.fleet import a_container, a_release, host_facts, wishes
from tests.support.settings import make_settings
from tests.unit.test_mend import assert_on_one_release, killed, up_to_the_commit

ONE = a_release("20260101000001-aaaa", tag="1", digest="sha256:" + "1" * 64)
TWO = a_release("20260101000002-bbbb", tag="2", digest="sha256:" + "2" * 64)
RELEASES = {release.id: release for release in (ONE, TWO)}
HOSTS = ("h1", "h2", "h3")
AT = Published(port=8080)
STRATEGIES: tuple[Strategy, ...] = ("start-first", "recreate")


def by_hand(name: str = "hello") -> Fleet:
    """Hosts as a shell pipeline leaves them."""
    fleet = Fleet(HOSTS)
    for engine in fleet.engines.values():
        engine.run_by_hand(name, "always")
    return fleet


def adopted(name: str = "hello") -> Fleet:
    fleet = by_hand(name)
    fleet.carry_out(deploying(fleet, ONE))
    return fleet


def left(name: str = "hello") -> Fleet:
    fleet = adopted(name)
    fleet.carry_out(returning(fleet))
    return fleet


def deploying(fleet: Fleet, release: Release, strategy: Strategy = "start-first") -> Plan:
    here = fleet.found(AT)
    return make_plan(release, here, {host: Way(strategy=strategy, why="asked") for host in here}, wishes())


def returning(fleet: Fleet, strategy: Strategy = "start-first") -> Plan:
    pasts = pasts_of(fleet)
    return plan_return(pasts, make_settings(strategy=strategy, app_name="hello"))


def pasts_of(fleet: Fleet) -> dict[str, Past]:
    return {host: Past(facts=host_facts(), found=found, releases=()) for host, found in fleet.found().items()}


def mending(fleet: Fleet) -> Plan:
    """As `repair` does."""
    here = fleet.found()
    if goes_back_to_adopted(here):
        return plan_return(pasts_of(fleet), make_settings(app_name="hello"), everywhere=False)
    item = fleet_release(here)
    ways = {host: Way(strategy="start-first", why="asked") for host in here}
    return plan_repair(RELEASES[release_of(item)], item.labels[labels.HISTORY], here, ways, wishes())


@pytest.mark.parametrize("runs", [True, False])
def test_going_back_keeps_users_away_from_a_host_meanwhile(runs: bool) -> None:
    fleet = adopted()
    members = {host: f"{host}:8080" for host in HOSTS}
    balancer = Balancer(host="b1", container="1", running=runs, members=tuple(members.values()))
    balancing = Balancing(balancers=(balancer,), members=members, asks_out=True)
    settings = make_settings(app_name="hello", strategy="start-first", batch=Batch(percent=100))
    plan = plan_return(pasts_of(fleet), settings, balancing)
    own = ["give-back", "return", "stop"]
    around = ["take-out", "ask-out", *own, "put-back"] if runs else ["ask-out", *own]
    for host in HOSTS:
        assert [step.name for step in plan.steps(host)] == [*around, "reinstate"]
    assert [len(batch) for stage in plan.stages for batch in stage.batches][:2] == [2, 1], "one serves on"


def every_kill(make: Any, plan: Any, *, undoing: bool = False) -> Iterator[Fleet]:
    for at in range(1000):
        fleet = make()
        if not killed(fleet, plan(fleet), at, undoing=undoing):
            assert at > 5, "there was something to kill"
            return
        yield fleet


def foreign(fleet: Fleet, host: str, name: str = "hello") -> Container:
    return fleet.engines[host].get(f"{name}-by-hand")


def is_as_it_was(fleet: Fleet, name: str = "hello") -> bool:
    """Whether what was run by hand stands on every host as it was found, and nothing of ours runs."""
    every = [foreign(fleet, host, name) for host in HOSTS]
    stands = {(one.name, one.policy, one.state) for one in every}
    return stands == {(name, "always", "running")} and not any(fleet.running(host) for host in HOSTS)


def is_kept(fleet: Fleet, name: str = "hello") -> bool:
    every = [foreign(fleet, host, name) for host in HOSTS]
    kept = (kept_name("hello", f"{name}-by-hand"), "no", "exited")
    return {(one.name, one.policy, one.state) for one in every} == {kept}


def ends_as_one(fleet: Fleet, name: str) -> str:
    """See one release everywhere, and nothing left to mend; returns which."""
    if not any(found.ours for found in fleet.found().values()):
        assert is_as_it_was(fleet, name)
        return ADOPTED
    assert not mending(fleet).changes
    if is_as_it_was(fleet, name):
        assert all(found.is_on_adopted for found in fleet.found(AT).values())
        return ADOPTED
    assert is_kept(fleet, name)
    return assert_on_one_release(fleet)


NAMES = pytest.mark.parametrize("name", ["hello", pytest.param("web", marks=pytest.mark.thorough)])
"""By our name, or by another on our port."""


@pytest.mark.parametrize("name", ["hello", "web"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_there_and_back_and_there_again(strategy: Strategy, name: str) -> None:
    fleet = by_hand(name)
    fleet.carry_out(deploying(fleet, ONE, strategy))
    assert ends_as_one(fleet, name) == ONE.id
    assert [entry.id for entry in fleet.found()["h1"].chain] == [ONE.id, ADOPTED]
    fleet.carry_out(returning(fleet, strategy))
    assert ends_as_one(fleet, name) == ADOPTED
    assert [entry.id for entry in fleet.found()["h1"].chain] == [ADOPTED, ONE.id]
    assert not returning(fleet).changes
    fleet.carry_out(deploying(fleet, TWO, strategy))
    assert ends_as_one(fleet, name) == TWO.id
    assert [entry.id for entry in fleet.found()["h1"].chain] == [TWO.id, ADOPTED, ONE.id]


@pytest.mark.parametrize("make", [by_hand, left])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_failing_one_gives_back_name_policy_and_port(make: Any, strategy: Strategy) -> None:
    fleet = make()
    fleet.undo(fleet.carry_out(up_to_the_commit(deploying(fleet, TWO, strategy))))
    assert is_as_it_was(fleet)
    fleet = adopted()
    fleet.undo(fleet.carry_out(up_to_the_commit(returning(fleet, strategy))))
    assert ends_as_one(fleet, "hello") == ONE.id


@pytest.mark.fault(38)
@pytest.mark.parametrize("undoing", [False, True])
@NAMES
@pytest.mark.parametrize("make", [by_hand, left])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_kill_of_an_adopting_deploy_is_mended(
    make: Any, strategy: Strategy, name: str, undoing: bool
) -> None:
    ends = set()
    for fleet in every_kill(lambda: make(name), lambda f: deploying(f, TWO, strategy), undoing=undoing):
        if is_as_it_was(fleet, name) and not any(found.adoption for found in fleet.found().values()):
            continue
        fleet.carry_out(mending(fleet))
        ends.add(ends_as_one(fleet, name))
    assert ADOPTED in ends
    assert TWO.id in ends or undoing


@pytest.mark.fault(38)
@pytest.mark.parametrize("undoing", [False, True])
@NAMES
@pytest.mark.parametrize("make", [by_hand, left])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_after_a_kill_of_an_adopting_deploy_the_next_one_goes_on(
    make: Any, strategy: Strategy, name: str, undoing: bool
) -> None:
    for fleet in every_kill(lambda: make(name), lambda f: deploying(f, TWO, strategy), undoing=undoing):
        fleet.carry_out(deploying(fleet, a_release("20260101000003-cccc", tag="3"), strategy))
        assert is_kept(fleet, name)
        assert assert_on_one_release(fleet) == "20260101000003-cccc"
        RELEASES["20260101000003-cccc"] = a_release("20260101000003-cccc", tag="3")
        assert not mending(fleet).changes
        fleet.carry_out(returning(fleet))
        assert ends_as_one(fleet, name) == ADOPTED


@pytest.mark.fault(38)
@pytest.mark.parametrize("undoing", [False, True])
@NAMES
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_kill_on_the_way_back_is_mended(strategy: Strategy, name: str, undoing: bool) -> None:
    ends = set()
    for fleet in every_kill(lambda: adopted(name), lambda f: returning(f, strategy), undoing=undoing):
        fleet.carry_out(mending(fleet))
        ends.add(ends_as_one(fleet, name))
    assert ends == {ADOPTED, ONE.id}


@pytest.mark.fault(38)
@NAMES
def test_after_a_kill_on_the_way_back_a_deploy_does_too(name: str) -> None:
    for fleet in every_kill(lambda: adopted(name), returning):
        fleet.carry_out(deploying(fleet, TWO))
        assert ends_as_one(fleet, name) == TWO.id


def test_what_is_known_of_it_is_told_by_a_history_and_read_back() -> None:
    one = Adopted(
        id="f" * 64, name="momo-app", kept_as="momo-app-adopted-ffffffffffff", image="r:5000/momo-app:0.0",
        policy="on-failure", retries=3, running=True, answered=True, address="127.0.0.1", port=8080,
        since="2026-01-01T00:00:00Z",
    )  # fmt: skip
    entry = history.of_adopted(one)
    assert (entry.id, entry.tag, entry.when) == (ADOPTED, "adopted momo-app:0.0", one.since)
    (read,) = history.read(history.write((entry,)))
    assert adopting.read(read.adopted) == one
    assert adopting.read("{}") is None
    assert adopting.read("no JSON") is None


def test_a_long_history_never_forgets_it() -> None:
    many = [Entry(id=str(number)) for number in range(30)]
    told = history.latest([*many, Entry(id=ADOPTED, adopted="{}")])
    assert (len(told), told[-1].id) == (history.LONGEST + 1, ADOPTED)


@pytest.mark.parametrize(
    ("image", "short"),
    [
        ("registry:5000/team/momo-app:0.0", "momo-app:0.0"),
        ("momo-app", "momo-app"),
        ("r/app@sha256:" + "a" * 64, "app"),
        ("sha256:" + "b" * 64, "b" * 12),
    ],
)
def test_how_it_is_called(image: str, short: str) -> None:
    assert adopting.short_image(image) == short


def only(**changes: Any) -> Found:
    one = replace(a_container(name="hello", published=(8080,)), **changes)
    return find(host_facts(one), app="hello", profile="dev", sends_to="", at=AT)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": {"com.docker.swarm.service.name": "hello"}}, "Swarm"),
        ({"removes_itself": True}, "--rm"),
        ({"network_mode": "host"}, "host's own network"),
        ({"state": "paused"}, "docker unpause"),
        ({"labels": {labels.APP: "other", labels.ROLE: "proxy"}}, "another application of this tool, other"),
    ],
)
def test_what_cannot_be_adopted(changes: dict[str, Any], words: str) -> None:
    assert words in why_not(replace(a_container(name="hello", published=(8080,)), **changes))
    assert only(**changes).adoption is None


def test_its_image_may_be_of_this_tool() -> None:
    """Containers carry their image's labels, whoever started them."""
    assert only(labels={labels.APP: "hello"}).adopts


def test_the_plan_stops_it_only_right_before_the_proxy_takes_its_port() -> None:
    fleet = by_hand()
    steps = {
        strategy: [step.name for step in deploying(fleet, ONE, strategy).steps("h1")]
        for strategy in STRATEGIES
    }
    common = ["pull", "pull", "network", "create"]
    assert steps["start-first"] == [
        *common, "start", "health", "adopt", "close", "proxy", "switch", "commit", "prune"
    ]  # fmt: skip
    assert steps["recreate"] == [
        *common, "adopt", "close", "proxy", "start", "health", "switch", "commit", "prune"
    ]  # fmt: skip


def test_a_plan_says_why_users_wait_and_holds_on_to_the_container() -> None:
    found = only()
    one = a_container(name="hello", published=(8080,))
    facts = host_facts(one, memory_total=2**32, memory_available=2**31)
    way = choose("auto", ONE, facts, found)
    assert way.strategy == "start-first"
    assert "interrupted while the port goes from hello to the proxy" in way.why
    planned = seen(facts, found)
    assert (planned.serving, planned.serving_tag, planned.running) == ("id-of-hello", "adopted image", True)


def test_of_two_neither_is_adopted() -> None:
    both = host_facts(a_container(name="hello"), a_container(name="web", published=(8080,)))
    here = find(both, app="hello", profile="dev", sends_to="", at=AT)
    assert here.adoption is None
    with pytest.raises(HostError) as raised:
        refuse(wanted(adopt=True), {"h1": both}, {"h1": here})
    assert all("only one can be the release before" in line for line in raised.value.details)


def test_with_the_option_one_is_not_refused() -> None:
    facts = host_facts(a_container(name="hello", published=(8080,)), listening=(22, 8080))
    here = find(facts, app="hello", profile="dev", sends_to="", at=AT)
    refuse(wanted(adopt=True), {"h1": facts}, {"h1": here})
    with pytest.raises(HostError) as raised:
        refuse(wanted(adopt=False), {"h1": facts}, {"h1": here})
    assert "`invoke deploy --adopt`" in raised.value.details[0]


def wanted(*, adopt: bool) -> Wanted:
    return Wanted(
        release=ONE,
        platforms=("linux/amd64",),
        app_port=AT,
        strategy="auto",
        user=(10001, 10001),
        adopt=adopt,
    )
