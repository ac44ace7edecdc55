from datetime import UTC, datetime

import pytest

from deploy.rollout.found import find
from deploy.rollout.look import age
from deploy.rollout.past import Past, Remembered, made_from_of, remembered, target
from deploy.values import labels
from deploy.values.errors import HostError, InputError
from deploy.values.facts import ContainerFacts
from deploy.values.history import Entry
from tests.support.fleet import a_container, a_proxy, a_release, host_facts

ONE = a_release("20260101000001-aaaa", tag="1.0")
TWO = a_release("20260101000002-bbbb", tag="2.0")
AGAIN = a_release("20260101000003-cccc", tag="2.0")
HALF = a_release("20260101000004-dddd", tag="3.0")


def past(*containers: ContainerFacts, sends_to: str = "") -> Past:
    facts = host_facts(*containers)
    found = find(facts, app="hello", profile="dev", sends_to=sends_to)
    return Past(facts=facts, found=found, releases=tuple(some(entry) for entry in found.chain))


def some(entry: Entry, *, has_image: bool = True) -> Remembered:
    return Remembered(entry=entry, spec=None, health=None, has_image=has_image)


def three() -> tuple[ContainerFacts, ContainerFacts, ContainerFacts]:
    """Two, with changed settings again; after one."""
    one = a_container(ONE, name=ONE.container, state="exited")
    two = a_container(TWO, name=TWO.container, state="exited", before=one)
    return a_container(AGAIN, before=two), two, one


def settled() -> Past:
    return past(*three(), sends_to=AGAIN.alias)


def test_the_last_that_finished_before_this_one() -> None:
    assert target({"h1": settled(), "h2": settled()}, "").id == TWO.id


def test_by_id_or_by_tag() -> None:
    fleet = {"h1": settled()}
    assert target(fleet, ONE.id).id == ONE.id
    assert target(fleet, "1.0").id == ONE.id
    assert target(fleet, AGAIN.id).id == AGAIN.id


def test_a_tag_that_serves_too_means_the_earlier_release() -> None:
    assert target({"h1": settled()}, "2.0").id == TWO.id


def test_the_id_of_the_first_rollout_means_the_same_release_brought_again() -> None:
    back = a_release("20260101000009-eeee", tag="1.0", origin=ONE.id)
    two = a_container(TWO, name=TWO.container, state="exited")
    later = a_container(AGAIN, before=a_container(back, name=back.container, state="exited", before=two))
    kept = a_container(back, name=back.container, state="exited", before=two)
    assert target({"h1": past(later, kept, two, sends_to=AGAIN.alias)}, ONE.id).id == back.id


def test_one_host_that_knows_it_is_enough_when_it_is_named() -> None:
    new = past(a_container(AGAIN), sends_to=AGAIN.alias)
    assert target({"h1": new, "h2": settled(), "h3": settled()}, "1.0").id == ONE.id


@pytest.mark.parametrize("wish", ["4.0", "", "*"])
def test_what_is_not_there_is_refused(wish: str) -> None:
    fleet = {"h1": past(a_container(ONE), sends_to=ONE.alias)}
    with pytest.raises((InputError, HostError)) as raised:
        target(fleet, wish)
    assert "invoke releases" in raised.value.advice


def test_nothing_deployed_is_nothing_to_go_back_to() -> None:
    with pytest.raises(HostError, match="no earlier release"):
        target({"h1": past()}, "")


def test_hosts_half_way_are_repaired_first_unless_a_release_is_named() -> None:
    """A rollout was killed after its switch."""
    plain, *others = three()
    candidate = a_container(HALF, name=HALF.container, before=plain)
    half = past(plain, *others, candidate, sends_to=HALF.alias)
    with pytest.raises(HostError, match="half way") as raised:
        target({"h1": half, "h2": settled()}, "")
    assert "invoke repair" in raised.value.advice
    assert raised.value.details == (f"h1: {HALF.id} serves, and never finished.",)
    assert target({"h1": half, "h2": settled()}, "2.0").id == TWO.id


def test_a_commit_that_reached_half_of_the_hosts_is_half_way_too() -> None:
    plain, *others = three()
    old = a_container(AGAIN, name=AGAIN.container, state="exited", before=others[0])
    ahead = past(a_container(HALF, before=plain), old, *others, sends_to=HALF.alias)
    with pytest.raises(HostError, match="half way"):
        target({"h1": ahead, "h2": settled()}, "")


def test_a_host_that_was_left_out_does_not_hold_up_the_others() -> None:
    """It was unreachable, and --skip-unreachable went on without it."""
    _, two, one = three()
    behind = past(a_container(TWO, before=one), one, sends_to=TWO.alias)
    assert two.name == TWO.container
    assert target({"h1": settled(), "h2": settled(), "h3": behind}, "").id == TWO.id


def test_what_each_host_has_of_a_release() -> None:
    fleet = {"h1": settled(), "h2": past(a_container(AGAIN), sends_to=AGAIN.alias)}
    entry = target(fleet, "1.0")
    assert list(remembered(fleet, entry)) == ["h1"]


def test_the_proxies_are_made_as_most_are() -> None:
    others = [past(a_proxy("new")), past(a_proxy("new")), past()]
    assert (
        made_from_of(dict(zip("abcd", [past(a_proxy("old")), *others], strict=True)), labels.PROXY) == "new"
    )
    assert made_from_of({"h1": past()}, labels.PROXY) == ""


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("2026-01-01T00:00:00Z", "2 d"),
        ("2026-01-02T20:00:00Z", "4 h"),
        ("2026-01-02T23:58:00Z", "2 min"),
        ("2026-01-02T23:59:59Z", "1 s"),
        ("2026-01-03T00:00:59Z", "0 s"),
        ("2026-01-01T00:00:00", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_an_age_is_told_in_one_unit(when: str, words: str) -> None:
    assert age(when, datetime(2026, 1, 3, tzinfo=UTC)) == words
