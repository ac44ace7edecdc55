"""Whether what a plan was decided on is still so."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.rollout.basis import basis, refuse_moved, refuse_other_settings
from deploy.rollout.refusals import Wanted
from deploy.rollout.survey import Rollout, Survey
from deploy.values.errors import HostError, InputError
from deploy.values.inventory import Host
from deploy.values.release import Release
from deploy.values.sizes import Batch
from tests.support.fleet import a_container, a_proxy
from tests.support.plans import NEW, OLD, SECRET, a_plan, a_rollout, a_survey

LATER = replace(NEW, id="20260101000011-aaaa", deployed_at="2026-01-01T00:00:11Z", deployed_by="ci@agent")


def with_spec(**changes: Any) -> Release:
    return replace(LATER, spec=replace(NEW.spec, **changes))


def test_the_same_settings_later_and_by_somebody_else_are_the_same() -> None:
    refuse_other_settings(a_plan(), a_rollout(LATER))


@pytest.mark.parametrize(
    ("rollout", "words"),
    [
        (a_rollout(with_spec(memory=400 * 2**20)), "MEMORY was 300m, is 400m"),
        (a_rollout(with_spec(memory=None)), "MEMORY was 300m, is not set"),
        (a_rollout(LATER, batch=Batch(count=2)), "BATCH was 1, is 2"),
        (a_rollout(LATER, strategy="recreate"), "STRATEGY was auto, is recreate"),
        (a_rollout(LATER, drain_timeout=5), "DRAIN_TIMEOUT was 30, is 5"),
        (
            a_rollout(with_spec(environment={**NEW.spec.environment, "TOKEN": "another"})),
            "values of environment variables",
        ),
        (
            a_rollout(with_spec(environment={"PROFILE": "dev"})),
            "variables was GREETING,PROFILE,TOKEN, is PROFILE",
        ),
        (a_rollout(replace(LATER, image="elsewhere:5000/hello@sha256:1")), "are not shown"),
    ],
)
def test_other_settings_are_refused_before_any_host_is_asked(rollout: Rollout, words: str) -> None:
    with pytest.raises(InputError) as raised:
        refuse_other_settings(a_plan(), rollout)
    assert words in raised.value.why
    assert SECRET not in raised.value.why
    assert "another" not in raised.value.why


def test_another_host_is_another_plan() -> None:
    rollout = a_rollout(LATER)
    more = replace(rollout.inventory, hosts=(*rollout.inventory.hosts, Host(name="h2", address="192.0.2.2")))
    with pytest.raises(InputError, match="settings") as raised:
        refuse_other_settings(a_plan(), replace(rollout, inventory=more))
    assert "HOSTS was 192.0.2.1, is 192.0.2.1,192.0.2.2" in raised.value.why


def test_the_hash_has_a_key_of_its_own_each_time() -> None:
    one, other = basis(a_rollout()), basis(a_rollout())
    assert one.hash != other.hash
    assert one.shown == other.shown


def test_nothing_of_what_a_rollout_wants_is_left_out_of_the_hash() -> None:
    """A new field of Wanted counts without being listed anywhere."""
    rollout = a_rollout(LATER)
    planned = a_plan()
    others: list[dict[str, Any]] = [{"platforms": ("linux/arm64",)}, {"user": (1, 1)}, {"contents": ()}]
    for other in others:
        wanted: Wanted = replace(rollout.wanted, **other)
        with pytest.raises(InputError):
            refuse_other_settings(planned, replace(rollout, wanted=wanted))


def moved(survey: Survey) -> list[str]:
    try:
        refuse_moved(a_plan(), survey)
    except HostError as error:
        return list(error.details)
    return []


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(HostError) as raised:
        refuse_moved(a_plan(), a_survey(a_rollout(LATER), cpus=4))
    assert "plan --out" in raised.value.advice
    assert raised.value.host == "h1"


def test_what_has_not_moved_is_carried_out() -> None:
    rollout = a_rollout(LATER)
    assert moved(a_survey(rollout)) == []
    busier = a_survey(rollout, memory_available=2**29 - 2**26, disk_free=10**9, clock=99.0)
    assert moved(busier) == []


def test_another_release_that_serves() -> None:
    other = replace(OLD, id="20260101000007-bbbb", tag="0.9.1")
    (line,) = moved(a_survey(a_rollout(LATER), a_container(other), a_proxy(), sends_to=other.alias))
    assert line.startswith("h1: it serves 0.9.1 (id-of-202601")
    assert "when it served 0.9-1234567" in line


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"engine_id": "F"}, "its engine's ID was E, is F"),
        ({"architecture": "arm64"}, "its platform was linux/amd64, is linux/arm64"),
        ({"memory_total": 2**31}, "its memory (bytes) was 1073741824, is 2147483648"),
        ({"cpus": 4}, "its number of CPUs was 2, is 4"),
        ({"memory_available": 2**28}, "it would be replaced by recreate"),
    ],
)
def test_a_host_that_is_another(facts: dict[str, Any], words: str) -> None:
    assert words in "\n".join(moved(a_survey(a_rollout(LATER), **facts)))


def test_a_proxy_that_sends_elsewhere_or_is_another() -> None:
    rollout = a_rollout(LATER)
    assert "its proxy sends to nothing" in "\n".join(moved(a_survey(rollout, sends_to="")))
    gone = moved(a_survey(rollout, a_container(OLD), sends_to=""))
    assert any("its proxy's container was" in line for line in gone)


def test_what_stopped_meanwhile_has_moved() -> None:
    survey = a_survey(a_rollout(LATER), a_container(OLD, state="exited"), a_proxy(), sends_to="")
    assert "does not run any more" in "\n".join(moved(survey))


def test_something_else_to_do_is_another_plan() -> None:
    half = replace(OLD, id="20260101000005-dddd")
    survey = a_survey(a_rollout(LATER), a_container(OLD), a_container(half, name=half.container), a_proxy())
    (line,) = moved(survey)
    assert "the steps would be pull, discard" in line


def test_a_host_that_was_not_planned() -> None:
    survey = a_survey(a_rollout(LATER))
    planned = a_plan().model_copy(update={"hosts": ()})
    with pytest.raises(HostError) as raised:
        refuse_moved(planned, survey)
    assert list(raised.value.details) == ["h1: it is not in the plan."]
