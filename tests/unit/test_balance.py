"""What a rollout does at the balancers over its hosts, decided without any."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from deploy.rollout import plan as planning
from deploy.rollout.balancer import upstream
from deploy.rollout.found import Found
from deploy.rollout.strategy import Way
from deploy.values.balancing import (
    Balancer,
    Balancing,
    PutBack,
    SetMembers,
    StartBalancer,
    TakeOut,
    member_of,
)
from deploy.values.inventory import Host
from deploy.values.plan import Plan
from deploy.values.sizes import Batch
from deploy.values.steps import Pull
from tests.support.fleet import MADE_FROM, a_container, a_proxy, wishes
from tests.unit.test_plan import NEW, fleet, found, serving

ONE = Batch(count=1)
MEMBERS = {f"h{number}": f"10.0.0.{number}:8080" for number in range(1, 7)}


def balancer(*hosts: str, **changes: object) -> Balancer:
    """One that runs and sends to these."""
    known = Balancer(
        host="lb",
        container="id-of-lb",
        made_from=MADE_FROM,
        running=True,
        members=tuple(MEMBERS[host] for host in hosts),
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def balancing(here: Mapping[str, Found], *balancers: Balancer, **changes: bool) -> Balancing:
    return Balancing(balancers=balancers, members={host: MEMBERS[host] for host in here}, **changes)


def plan_of(
    here: Mapping[str, Found], over: Balancing, *, batch: Batch = ONE, strategy: str = "recreate"
) -> Plan:
    ways = {host: Way(strategy=strategy, why="asked") for host in here}  # type: ignore[arg-type]
    return planning.make_plan(NEW, here, ways, wishes(batch=batch), over)


def names(plan: Plan, host: str) -> list[str]:
    return [step.name for step in plan.steps(host)]


def turns(plan: Plan) -> list[list[str]]:
    """The hosts that start the new release, batch after batch."""
    batches = [batch for stage in plan.stages if stage.name in {"first", "next"} for batch in stage.batches]
    return [[work.host for work in batch] for batch in batches]


def test_a_first_release_starts_the_balancer_over_nobody_and_puts_each_host_in() -> None:
    here = {"h1": found(), "h2": found()}
    plan = plan_of(here, balancing(here, Balancer(host="lb")))
    assert names(plan, "lb") == ["pull", "network", "balancer"]
    [start] = [step for step in plan.steps("lb") if isinstance(step, StartBalancer)]
    assert (start.members, start.port, start.made_from) == ((), 8080, MADE_FROM)
    for host in here:
        assert "take-out" not in names(plan, host)
        assert names(plan, host).index("switch") < names(plan, host).index("put-back")


def test_a_balancer_that_is_new_over_hosts_that_serve_sends_to_them_at_once() -> None:
    here = fleet(2)
    plan = plan_of(here, balancing(here, Balancer(host="lb")))
    [start] = [step for step in plan.steps("lb") if isinstance(step, StartBalancer)]
    assert start.members == (MEMBERS["h1"], MEMBERS["h2"])
    assert names(plan, "h1").count("take-out") == 1


@pytest.mark.parametrize("strategy", ["recreate", "start-first"])
def test_each_host_is_out_while_it_is_replaced(strategy: str) -> None:
    here = fleet(2)
    plan = plan_of(here, balancing(here, balancer("h1", "h2")), strategy=strategy)
    assert names(plan, "lb") == []
    assert turns(plan) == [["h1"], ["h2"]]
    for host in here:
        out = next(step for step in plan.steps(host) if isinstance(step, TakeOut))
        back = next(step for step in plan.steps(host) if isinstance(step, PutBack))
        assert (out.member, out.balancers, out.health) == (MEMBERS[host], ("lb",), NEW.health)
        assert (back.member, back.balancers) == (MEMBERS[host], ("lb",))
        order = names(plan, host)
        assert (
            order.index("take-out") < order.index("start") < order.index("switch") < order.index("put-back")
        )
        assert strategy == "start-first" or order.index("take-out") < order.index("stop")


def test_the_only_host_is_not_taken_out() -> None:
    here = fleet(1)
    plan = plan_of(here, balancing(here, balancer("h1"), asks_out=True, asks_back=True))
    assert "take-out" not in names(plan, "h1")
    assert "ask-out" not in names(plan, "h1")
    assert names(plan, "h1")[-4:] == ["put-back", "ask-back", "commit", "prune"]


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (Batch(count=5), [["h1"], ["h2", "h3"]]),
        (Batch(percent=100), [["h1", "h2"], ["h3"]]),
        (Batch(percent=67), [["h1"], ["h2", "h3"]]),
    ],
)
def test_one_host_always_serves_whatever_the_batch(batch: Batch, expected: list[list[str]]) -> None:
    here = fleet(3)
    assert turns(plan_of(here, balancing(here, balancer("h1", "h2", "h3")), batch=batch)) == expected
    assert turns(plan_of(here, balancing(here, asks_out=True), batch=batch)) == expected


def test_hosts_without_users_go_first() -> None:
    here = {"h1": serving(), "h2": serving(), "h3": found()}
    assert turns(plan_of(here, balancing(here, balancer("h1", "h3"))))[0] == ["h2"]
    assert turns(plan_of(here, balancing(here, balancer("h1", "h2"))))[0] == ["h3"]


def test_a_host_that_takes_no_part_gets_nothing_more() -> None:
    here = fleet(2)
    plan = plan_of(here, balancing(here, balancer("h1", "h2", "h3")))
    [step] = [step for step in plan.steps("lb") if isinstance(step, SetMembers)]
    assert set(step.members) == {MEMBERS["h1"], MEMBERS["h2"]}
    assert MEMBERS["h3"] in step.was


def test_a_balancer_of_another_making_is_replaced_and_the_one_before_goes_after_the_commit() -> None:
    here = fleet(2)
    plan = plan_of(here, balancing(here, balancer("h1", "h2", made_from="older", leftovers=(("x", "lb-x"),))))
    assert names(plan, "lb") == ["pull", "discard", "balancer", "prune"]
    [start] = [step for step in plan.steps("lb") if isinstance(step, StartBalancer)]
    assert start.replaces == "id-of-lb"
    assert any(isinstance(step, Pull) and step.image == NEW.proxy_image for step in plan.steps("lb"))


def test_hosts_that_are_well_leave_only_what_is_wrong_at_a_balancer() -> None:
    here = {host: found(a_container(NEW), a_proxy(), sends_to=NEW.alias) for host in ("h1", "h2")}
    assert not plan_of(here, balancing(here, balancer("h2", "h1"))).changes
    plan = plan_of(here, balancing(here, balancer("h1")))
    assert [names(plan, host) for host in ("h1", "h2", "lb")] == [[], [], ["members"]]
    assert names(plan_of(here, balancing(here, balancer("h1", running=False))), "lb") == [
        "pull",
        "balancer",
        "prune",
    ]


def test_a_proxy_that_is_replaced_is_so_while_its_host_is_out() -> None:
    here = {host: found(a_container(NEW), a_proxy("older"), sends_to=NEW.alias) for host in ("h1", "h2")}
    plan = plan_of(here, balancing(here, balancer("h1", "h2")))
    order = names(plan, "h1")
    assert order.index("take-out") < order.index("proxy") < order.index("put-back")
    assert order.count("proxy") == 1


def test_hooks_are_asked_around_each_host_that_serves() -> None:
    here = {"h1": serving(), "h2": found()}
    plan = plan_of(here, balancing(here, asks_out=True, asks_back=True))
    assert [name for name in names(plan, "h1") if name.startswith("ask")] == ["ask-out", "ask-back"]
    assert [name for name in names(plan, "h2") if name.startswith("ask")] == ["ask-back"]


@pytest.mark.parametrize(
    ("host", "member"),
    [
        (Host(name="h", address="192.0.2.1"), "192.0.2.1:80"),
        (Host(name="h", address="192.0.2.1", reached_at="10.0.0.1"), "10.0.0.1:80"),
        (Host(name="h", address="2001:db8::1"), "[2001:db8::1]:80"),
    ],
)
def test_a_member_is_where_balancers_reach_a_host(host: Host, member: str) -> None:
    assert member_of(host, 80) == member


def test_the_configuration_begins_with_what_it_sends_to() -> None:
    assert upstream(["a:1", "b:2"]).splitlines()[0] == "# a:1 b:2"
    assert upstream([]).splitlines()[0] == "# none"
    assert "server a:1 " in upstream(["a:1"])
