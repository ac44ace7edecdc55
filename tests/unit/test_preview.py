"""A plan as it is told: per host, with nothing secret."""

import pytest

from deploy.output.plan_text import plan_text
from deploy.values.images import Stock
from deploy.values.planned import Planned
from deploy.values.release import ContainerSpec
from deploy.values.sizes import Batch
from tests.support.fleet import a_container, a_proxy, a_release
from tests.support.plans import NEW, OLD, SECRET, a_plan, a_rollout, a_survey

MIB = 2**20


def serving_new() -> Planned:
    rollout = a_rollout(a_release("20260101000010-ffff", spec=NEW.spec))
    survey = a_survey(rollout, a_container(NEW), a_proxy(), sends_to=NEW.alias)
    return a_plan(rollout, survey, running=NEW)


def test_the_whole_text_of_a_change() -> None:
    rollout = a_rollout()
    survey = a_survey(rollout, stock=Stock(chains=(("base", "older"),)))
    assert plan_text(a_plan(rollout, survey)).splitlines() == [
        "hello 1.0-abcdef0 to profile dev: registry:5000/hello@aaaaaaaaaaaa",
        "order: h1",
        "",
        "h1: start-first (two at once may take 669m of 1024m)",
        "  ~ release          0.9-1234567 -> 1.0-abcdef0",
        "  ~ digest           sha256:bbbbbbbbbbbb -> sha256:aaaaaaaaaaaa",
        "  + memory           300m",
        "  - environment      GONE",
        "  + environment      GREETING",
        "  ~ environment      TOKEN",
        "    pull             about 12.0 kB, 1 of 2 layers (all of them: 30.0 MB)",
        "    Java heap        at most 225 MiB: 75% of MEMORY 300m",
        "    Java in all      about 466 MiB when it is busy",
        "    steps            pull, create, start, health, switch, drain, stop, commit, prune",
        "",
        "Changes pending on 1 host.",
    ]


def test_the_same_again_is_nothing_to_do() -> None:
    planned = serving_new()
    (host,) = planned.hosts
    assert not planned.changes
    assert (host.action, host.changes, host.steps, host.pull.bytes) == ("nothing", (), (), 0)
    assert plan_text(planned).splitlines()[1:] == [
        "h1 runs it already: http://192.0.2.1:8080",
        "Nothing to do.",
    ]


def test_a_first_deploy_tells_what_the_settings_give_and_not_what_the_image_brings() -> None:
    rollout = a_rollout()
    planned = a_plan(rollout, a_survey(rollout, a_container(name="other"), sends_to=""))
    (host,) = planned.hosts
    assert host.action == "start"
    assert [c.name for c in host.changes if c.what == "environment"] == ["GREETING", "PROFILE", "TOKEN"]
    assert {c.what: c.now for c in host.changes if c.kind == "added"}["APP_PORT"] == "8080"
    assert {c.kind for c in host.changes} == {"added"}


def test_another_proxy_is_told_with_its_interruption() -> None:
    rollout = a_rollout(proxy_made_from="proxy@sha256 9090 abc")
    (host,) = a_plan(rollout, a_survey(rollout)).hosts
    assert [(c.what, c.was, c.now) for c in host.changes if "APP_PORT" in c.what] == [
        ("APP_PORT", "8080", "9090")
    ]
    assert any("APP_PORT is closed for a moment" in note for note in host.notes)


def test_recreate_says_that_nobody_answers_meanwhile() -> None:
    rollout = a_rollout(strategy="recreate")
    (host,) = a_plan(rollout, a_survey(rollout)).hosts
    assert host.strategy == "recreate"
    assert any("no answer from the stop" in note for note in host.notes)


def test_what_an_unfinished_rollout_left_is_told() -> None:
    rollout = a_rollout()
    half = a_release("20260101000005-dddd")
    left = a_container(half, name=half.container)
    (host,) = a_plan(rollout, a_survey(rollout, a_container(OLD), left, a_proxy())).hosts
    assert ("removed", "leftover", half.container) in [(c.kind, c.what, c.was) for c in host.changes]


def test_a_container_that_does_not_run_is_a_change() -> None:
    rollout = a_rollout(a_release("20260101000010-ffff", spec=NEW.spec))
    survey = a_survey(rollout, a_container(NEW, state="exited"), a_proxy(), sends_to="")
    (host,) = a_plan(rollout, survey, running=NEW).hosts
    assert [(c.what, c.was, c.now) for c in host.changes] == [("state", "exited", "running")]


@pytest.mark.parametrize(("healthy", "words"), [(False, "not healthy"), (True, "--force")])
def test_why_the_same_is_replaced(healthy: bool, words: str) -> None:
    rollout = a_rollout(a_release("20260101000010-ffff", spec=NEW.spec), force=healthy)
    survey = a_survey(rollout, a_container(NEW), a_proxy(), sends_to=NEW.alias, healthy=healthy)
    planned = a_plan(rollout, survey, running=NEW)
    assert planned.changes
    assert any(words in note for note in planned.hosts[0].notes)
    assert "nothing differs here" in plan_text(planned)


def test_the_order_is_that_of_the_rollout() -> None:
    assert a_plan(a_rollout(batch=Batch(percent=100))).order == (("h1",),)


def test_no_secret_is_in_the_plan_and_every_name_is() -> None:
    planned = a_plan()
    whole = planned.model_dump_json() + plan_text(planned) + repr(planned)
    assert SECRET not in whole
    assert "an-older-secret" not in whole
    assert "TOKEN" in whole


def test_what_is_not_java_has_no_heap() -> None:
    rollout = a_rollout(a_release(spec=ContainerSpec(environment={}, port=8080)))
    assert a_plan(rollout).hosts[0].heap is not None
    assert "Java heap" in plan_text(a_plan(rollout))
