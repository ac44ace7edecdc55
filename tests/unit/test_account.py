"""What a task came to, from the events on its stream, and how it is kept: result, report, audit line."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from deploy.output.audit import AUDIT, audit_line
from deploy.output.junit import as_xml
from deploy.output.mask import Mask
from deploy.output.record import RESULT, Recorder, as_data, forget, report_of
from deploy.values.account import Account, Ending, account_of, ending_of
from deploy.values.errors import Failure, HostError, Interrupted, RolledBack, outcome
from deploy.values.events import Event, Stream

MASK = Mask(["s3cret-value"])


def a_rollout(error: Failure | None = None, *, states: tuple[str, str] = ("released", "released")) -> Account:
    """Two hosts, of which the second fails in `health` when there is an error."""
    events: list[Event] = []
    stream = Stream(events.append, clock=lambda: 1_700_000_000.0)
    stream.fact(task="deploy", app="shop", profile="prod", by="ann@desk", release="1.2", digest="sha256:aa")
    for host in ("h1", "h2"):
        stream.fact(host=host, url=f"http://{host}", was="1.1", now="1.1")
    with stream.step("connect", "h1, h2"):
        pass
    for host in ("h1", "h2"):
        with stream.step("create", "shop-1", host=host, phase="prepare"):
            pass
        try:
            with stream.step("health", "wait", host=host, phase="health"):
                if error and host == "h2":
                    raise error
        except Failure:
            pass
    for host, state in zip(("h1", "h2"), states, strict=True):
        stream.fact(host=host, state=state, now="1.2" if state == "released" else "1.1")
    return account_of(events, ending_of(error))


FAILED = RolledBack("Not healthy.", why="HTTP 500 for s3cret-value", host="h2", step="health")


def test_a_host_is_untouched_until_a_step_of_the_rollout_begins_there() -> None:
    events: list[Event] = []
    stream = Stream(events.append)
    stream.fact(host="h1", was="1")
    assert not account_of(events).hosts[0].touched
    stream.emit("started", "pull", step="pull", host="h1", data={"phase": "pull"})
    host = account_of(events).hosts[0]
    assert (host.touched, host.state, host.phases[0].failed) == (True, "begun", "did not end")


def test_seconds_of_a_phase_are_those_of_all_its_steps() -> None:
    events: list[Event] = []
    stream = Stream(events.append)
    stream.fact(host="h1")
    for step, seconds in (("create", 1.0), ("discard", 2.0)):
        stream.emit("started", "", step=step, host="h1", data={"phase": "prepare"})
        stream.emit("finished", "", step=step, host="h1", seconds=seconds, data={"phase": "prepare"})
    phase = account_of(events).hosts[0].phases[0]
    assert (phase.name, phase.seconds, phase.failed) == ("prepare", 3.0, "")


def test_the_result_tells_each_host_and_the_failure() -> None:
    data: Any = as_data(a_rollout(FAILED, states=("back", "back")))
    assert (data["exit_code"], data["result"], data["task"]) == (6, "failed: rolled back", "deploy")
    assert data["failure"]["host"] == "h2"
    assert data["began_at"] == "2023-11-14T22:13:20Z"
    assert [(host["host"], host["state"], host["was"], host["now"]) for host in data["hosts"]] == [
        ("h1", "back", "1.1", "1.1"),
        ("h2", "back", "1.1", "1.1"),
    ]
    assert set(data["hosts"][0]["seconds"]) == {"prepare", "health"}
    assert as_data(a_rollout())["failure"] is None


def cases(account: Account) -> dict[tuple[str, str], str]:
    """What a report says of each case: its child's tag, or nothing for one that passed."""
    suite = Xml.fromstring(as_xml(account, MASK))
    assert int(suite.get("tests", "")) == len(suite)
    found = {
        (str(case.get("classname")), str(case.get("name"))): [child.tag for child in case] for case in suite
    }
    return {key: " ".join(tags) for key, tags in found.items()}


def test_the_report_has_a_case_a_host_and_phase_and_the_failure_where_it_was() -> None:
    assert cases(a_rollout(FAILED, states=("back", "back"))) == {
        ("deploy.this machine", "connect"): "",
        ("deploy.h1", "prepare"): "",
        ("deploy.h1", "health"): "",
        ("deploy.h2", "prepare"): "",
        ("deploy.h2", "health"): "failure",
    }
    text = as_xml(a_rollout(FAILED), MASK)
    assert "s3cret-value" not in text
    assert "HTTP 500 for ****" in text


def test_a_failure_outside_of_any_phase_and_a_host_that_is_not_back_have_their_cases_too() -> None:
    found = cases(a_rollout(HostError("No.", host="192.0.2.1", step="lock"), states=("broken", "untouched")))
    assert found["deploy.192-0-2-1", "lock"] == "failure"
    assert found["deploy.h1", "undo"] == "failure"
    assert found["deploy.h2", "health"] == "skipped"
    found = cases(account_of([], Ending(exit_code=2, what="No such profile.")))
    assert found == {(".this machine", "result"): "failure"}


def test_what_xml_cannot_hold_does_not_break_the_report() -> None:
    error = RolledBack("Bad \x1b[31m\x00 <&> \ud800 text\n]]>", host="h2", step="health")
    assert cases(a_rollout(error))["deploy.h2", "health"] == "failure"


@pytest.mark.security(23)
def test_an_audit_line_is_one_line_whatever_is_brought_into_a_name() -> None:
    events: list[Event] = []
    stream = Stream(events.append)
    evil = 'ann\n{"when": "forged"}\r\u2028\x1b[2J\x7f'
    stream.fact(task="deploy", by=f"{evil}@desk", release=evil, digest="sha256:aa")
    line = audit_line(account_of(events, Ending(exit_code=0)), MASK)
    assert line.count("\n") == 1
    assert line.isascii()
    assert line.rstrip("\n").isprintable()
    assert json.loads(line)["who"] == evil


@pytest.mark.security(23)
def test_an_audit_line_says_when_who_what_from_where_and_the_result() -> None:
    account = a_rollout(FAILED, states=("back", "broken"))
    line = json.loads(audit_line(account, MASK))
    assert {key: line[key] for key in ("when", "who", "from", "task", "what", "digest", "exit_code")} == {
        "when": "2023-11-14T22:13:20Z",
        "who": "ann",
        "from": "desk",
        "task": "deploy",
        "what": "1.2",
        "digest": "sha256:aa",
        "exit_code": 6,
    }
    assert line["hosts"] == {"h1": "back", "h2": "broken"}
    mine = json.loads(audit_line(account, MASK, host="h2"))
    assert (mine["host"], mine["state"]) == ("h2", "broken")
    assert (
        len(json.loads(audit_line(account_of([], Ending(exit_code=1, what="x" * 9999)), MASK))["error"])
        == 500
    )


def test_a_writer_that_cannot_write_does_not_keep_the_others_from_it() -> None:
    written: list[Account] = []

    def refuse(_account: Account) -> None:
        raise OSError("disk full")

    recorder = Recorder(refuse, written.append)
    with pytest.raises(OSError, match="disk full"):
        Stream(recorder).emit("ended", "", data={"exit_code": 5, "what": "No."})
    assert written[0].ending == Ending(exit_code=5, what="No.")


def test_only_a_task_that_releases_forgets_what_an_earlier_one_left(tmp_path: Path) -> None:
    left = [tmp_path / RESULT, report_of(tmp_path, "rollback"), tmp_path / AUDIT]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    forget(tmp_path, "jar")
    assert all(path.exists() for path in left)
    forget(tmp_path, "deploy")
    assert [path.exists() for path in left] == [False, False, True]


def test_every_end_has_its_words() -> None:
    assert outcome(143) == "interrupted by signal 15"
    assert outcome(1) == "failed: a defect"
    assert ending_of(Interrupted(2)).exit_code == 130
    assert ending_of(ValueError("x")) == Ending(exit_code=1, what="ValueError: x")
