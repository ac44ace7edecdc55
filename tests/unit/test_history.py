import json

import pytest

from deploy.values import history, labels
from deploy.values.history import Entry

SAID = {
    labels.RELEASE: "20260101000001-aaaa",
    labels.DIGEST: "sha256:aa",
    labels.TAG: "1.0",
    labels.DEPLOYED_BY: "dev@desk",
}


def test_what_is_written_is_read_again() -> None:
    entry = history.of_labels(SAID, "registry:5000/hello@sha256:aa")
    assert history.read(history.write([entry, Entry(id="2", origin="1")])) == (
        entry,
        Entry(id="2", origin="1"),
    )


def test_what_is_not_known_takes_no_room() -> None:
    assert history.write([Entry(id="1")]) == '[{"id":"1"}]'


def test_the_same_release_brought_again_counts_as_the_first() -> None:
    assert Entry(id="3", origin="1").first == Entry(id="1").first == "1"


@pytest.mark.parametrize("label", ["", "{", "[1]", "3", "[{}]", '{"id": 1}', "[" * 99999])
def test_what_makes_no_sense_is_no_history(label: str) -> None:
    assert history.read(label) == ()


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert history.read(json.dumps([{"id": "1", "mood": "good"}])) == (Entry(id="1"),)
