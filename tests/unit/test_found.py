from deploy.rollout.found import Found, find, fleet_chain, health_of, history_of
from deploy.values import labels
from deploy.values.release import HealthCheck
from tests.support.fleet import a_container, a_proxy, a_release, host_facts

FIRST = a_release("20260101000001-aaaa", tag="1")
SECOND = a_release("20260101000002-bbbb", tag="2")
THIRD = a_release("20260101000003-cccc", tag="3")
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


def test_neither_name_there_means_that_the_last_kept_one_is_committed() -> None:
    """A rollout was killed between its two renames."""
    first = a_container(FIRST, name=FIRST.container, state="exited")
    second = a_container(SECOND, name=SECOND.container, state="exited", before=first)
    candidate = a_container(THIRD, name=THIRD.container, before=second)
    found = look(first, second, candidate, sends_to=THIRD.alias)
    assert found.serving == candidate
    assert found.committed == second
    assert [entry.id for entry in found.chain] == [SECOND.id, FIRST.id]


def test_neither_name_nor_a_proxy_that_answers_loses_no_way_back() -> None:
    first = a_container(FIRST, name=FIRST.container, state="exited")
    second = a_container(SECOND, name=SECOND.container, state="exited", before=first)
    candidate = a_container(THIRD, name=THIRD.container, state="exited", before=second)
    found = look(first, second, candidate)
    assert found.serving is None
    assert (found.kept, found.committed) == ((second, first), second)
    assert found.leftovers == (candidate,)


def test_the_clock_of_an_earlier_deployer_does_not_decide_which_came_last() -> None:
    ahead = a_release("20270101000000-aaaa", tag="ahead")
    first = a_container(ahead, name=ahead.container, state="exited")
    second = a_container(SECOND, name=SECOND.container, state="exited", before=first)
    assert look(first, second, a_container(THIRD, name=THIRD.container, before=second)).committed == second


def test_what_a_killed_replacement_of_the_proxy_left_is_sorted_out() -> None:
    running = a_proxy()
    replaced = a_proxy(name="hello-proxy-replaced", state="exited")
    half_made = a_proxy(state="created")
    assert look(running, replaced).proxy == running
    assert look(running, replaced).leftovers == (replaced,)
    assert look(half_made, replaced).proxy == replaced
    assert look(half_made, replaced).leftovers == (half_made,)
    assert look(replaced).proxy == replaced
    assert look(half_made).proxy == half_made


def test_the_fleet_went_through_what_most_hosts_did() -> None:
    first = a_container(FIRST, name=FIRST.container, state="exited")
    ahead = look(a_container(SECOND, before=first), first)
    behind = look(a_container(FIRST))
    new = look()
    assert ids(ahead, ahead, new) == [SECOND.id, FIRST.id]
    assert ids(ahead, behind) == [FIRST.id]
    assert ids(ahead, ahead, behind) == [SECOND.id, FIRST.id]
    assert ids(new, new) == []


def ids(*hosts: Found) -> list[str]:
    return [entry.id for entry in fleet_chain(hosts)]


def test_an_unreadable_history_is_empty() -> None:
    for broken in ("{not json", "7", '["x"]', '[{"tag": "no id"}]', "[" * 100000):
        assert history_of(a_container(FIRST, extra={labels.HISTORY: broken})) == ()


def test_a_container_says_how_it_was_checked() -> None:
    said = {labels.HEALTH: '{"path": "/up", "port": 9, "below": 400, "timeout": 5, "monitor": 1}'}
    assert health_of(said, CHECK).path == "/up"
    assert health_of({}, CHECK) == CHECK
    assert health_of({labels.HEALTH: "[]"}, CHECK) == CHECK
