import json
from pathlib import Path

import pytest

from deploy.command import EVENTS, Run
from deploy.output import events_log
from deploy.output.events_log import EventsLog
from deploy.output.mask import Mask
from deploy.values.events import Stream

NO_SECRETS = Mask([])


def test_each_event_is_one_masked_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "events.jsonl"
    log = EventsLog(path, Mask(["tok-12345"]))
    stream = Stream(log, clock=lambda: 5.0)
    stream.note("token tok-12345\n\x1b[2J", step="pull", host="192.0.2.1", token="tok-12345", path=tmp_path)
    stream.note("second")
    log.close()
    text = path.read_text()
    assert "tok-12345" not in text
    assert "\x1b" not in text
    first, second = map(json.loads, text.splitlines())
    assert first["text"] == "token ****\n\x1b[2J"
    assert first["data"] == {"token": "****", "path": str(tmp_path)}
    assert (second["kind"], second["at"], second["host"]) == ("note", 5.0, "")


def test_the_log_is_the_owners_alone_and_grows_over_runs(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for text in ("one", "two"):
        Stream(EventsLog(path, NO_SECRETS)).note(text)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == ["one", "two"]


def test_a_log_that_grew_too_long_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("x" * events_log.LIMIT)
    Stream(EventsLog(path, NO_SECRETS)).note("new")
    assert (tmp_path / "events.jsonl.1").stat().st_size == events_log.LIMIT
    assert len(path.read_text().splitlines()) == 1


def test_a_disk_that_refuses_ends_the_log_and_not_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    stream = Stream(EventsLog(tmp_path / "file" / "events.jsonl", NO_SECRETS))
    stream.note("one")
    stream.note("two")


@pytest.mark.parametrize("keeps", [True, False])
def test_a_task_that_changes_something_keeps_its_events_and_no_other(tmp_path: Path, keeps: bool) -> None:
    run = Run(tmp_path, keeps_events=keeps)
    run.mask.learn(["tok-12345"])
    run.stream.note("with tok-12345")
    path = tmp_path / EVENTS
    assert path.exists() == keeps
    assert not keeps or json.loads(path.read_text())["text"] == "with ****"
