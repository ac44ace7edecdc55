import json

from deploy.rollout.found import Found, find, health_of, next_history
from deploy.values import labels
from deploy.values.release import HealthCheck
from tests.support.fleet import a_container, a_proxy, a_release, host_facts

FIRST = a_release("20260101000001-aaaa", tag="1")
SECOND = a_release("20260101000002-bbbb", tag="2")
CHECK = HealthCheck(path="/", port=8080, below=500, timeout=10)


def look(*containers: object, sends_to: str = "") -> Found:
    return find(host_facts(*containers), app="hello", profile="dev", sends_to=sends_to)  # type: ignore[arg-type]


def test_an_empty_host_has_nothing() -> None:
    assert look() == Found(serving=None, kept=(), leftovers=(), proxy=None, plain=None)


def test_the_one_that_the_proxy_sends_to_serves_whatever_its_name() -> None:
    old = a_container(FIRST, state="exited")
    candidate = a_container(SECOND, name=SECOND.container, before=old)
    found = look(old, candidate, a_proxy(), sends_to=SECOND.alias)
    assert found.serving == candidate
    assert found.plain == old
    assert found.kept == (old,)
    assert found.leftovers == ()


def test_without_an_answering_proxy_the_plain_name_serves() -> None:
    old = a_container(FIRST)
    candidate = a_container(SECOND, name=SECOND.container, state="created")
    found = look(old, candidate, sends_to="")
    assert found.serving == old
    assert found.leftovers == (candidate,)


def test_a_stopped_container_never_serves_though_the_proxy_points_at_it() -> None:
    candidate = a_container(SECOND, name=SECOND.container, state="exited")
    assert look(a_container(FIRST), candidate, sends_to=SECOND.alias).serving == a_container(FIRST)


def test_only_what_finished_before_is_kept() -> None:
    first = a_container(FIRST, name=FIRST.container, state="exited")
    serving = a_container(SECOND, before=first)
    stray = a_container(a_release("20260101000000-ffff"), name="hello-20260101000000-ffff", state="exited")
    found = look(serving, first, stray, sends_to=SECOND.alias)
    assert found.kept == (first,)
    assert found.leftovers == (stray,)


def test_another_profile_or_application_is_not_ours() -> None:
    other = a_container(a_release(profile="prod"), name="hello")
    foreign = a_container(name="hello")
    assert look(other).serving is None
    assert look(foreign).serving is None


def test_history_grows_at_the_front_and_keeps_its_length() -> None:
    first = a_container(FIRST)
    second = a_container(SECOND, before=first)
    entries = json.loads(next_history(second, keep=2))
    assert [entry["id"] for entry in entries] == [SECOND.id, FIRST.id]
    assert [entry["id"] for entry in json.loads(next_history(second, keep=1))] == [SECOND.id]
    assert next_history(None, keep=3) == "[]"


def test_an_unreadable_history_is_empty() -> None:
    broken = a_container(FIRST, extra={labels.HISTORY: "{not json"})
    assert len(json.loads(next_history(broken, keep=3))) == 1


def test_a_container_says_how_it_was_checked() -> None:
    said = {labels.HEALTH: '{"path": "/up", "port": 9, "below": 400, "timeout": 5, "monitor": 1}'}
    assert health_of(said, CHECK).path == "/up"
    assert health_of({}, CHECK) == CHECK
    assert health_of({labels.HEALTH: "[]"}, CHECK) == CHECK
