from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.setup.stock import Held, age, judge, orphans
from deploy.setup.uses import of_engine
from deploy.values import labels

A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")


def held(digest: str, created_at: float, **known: Any) -> Held:
    return Held(
        repository=known.pop("repository", "app"),
        digest=digest,
        tags=(),
        size=1,
        created_at=created_at,
        **known,
    )


def gone(*images: Held, uses: dict[str, list[str]] | None = None, keep: int = 1, **also: str) -> list[str]:
    verdicts = judge(images, uses or {}, keep=keep, also=also)
    return [each.held.digest for each in verdicts if not each.stays]


def test_the_newest_of_each_repository_stay() -> None:
    other = held(D, 1.0, repository="app-proxy")
    assert gone(held(A, 3.0), held(B, 2.0), held(C, 1.0), other) == [B, C]
    assert gone(held(A, 3.0), held(B, 2.0), held(C, 1.0), other, keep=2) == [C]


def test_what_a_host_runs_or_keeps_stays_however_old_it_is() -> None:
    images = held(A, 3.0), held(B, 2.0), held(C, 1.0)
    assert gone(*images, uses={C: ["web1 keeps it"]}) == [B]
    verdicts = judge(images, {C: ["web1 keeps it", "web2 runs it"]}, keep=1, also={B: "named"})
    assert [each.stays for each in verdicts] == ["among the newest 1", "named", "web1 keeps it, web2 runs it"]


def test_an_index_stays_for_the_image_in_it_that_a_host_runs() -> None:
    index = held(B, 2.0, parts=(C, D))
    assert gone(held(A, 3.0), index, uses={D: ["web1 runs it"]}) == []
    assert gone(held(A, 3.0), index) == [B]


def test_an_age_that_nobody_knows_is_no_age() -> None:
    assert gone(held(A, 3.0), held(B, 0.0)) == []


def test_the_parts_of_an_index_go_with_it_unless_something_else_has_them() -> None:
    verdicts = judge([held(A, 3.0, parts=(C,)), held(B, 2.0, parts=(C, D))], {}, keep=1, also={})
    assert orphans(verdicts, {}) == [("app", D)]
    assert orphans(verdicts, {D: ["web1 keeps it"]}) == []


def test_a_part_with_a_tag_of_its_own_goes_with_its_index_and_is_counted_with_it() -> None:
    new, old = held(A, 3.0, parts=(B,)), held(C, 2.0, parts=(D,))
    images = (new, held(B, 3.0), old, held(D, 2.0))
    assert gone(*images) == [C, D]
    assert gone(*images, keep=2) == []
    assert gone(*images, uses={D: ["web1 runs it"]}) == []
    verdicts = judge(images, {}, keep=1, also={})
    assert orphans(verdicts, {}) == []
    assert verdicts[1].stays == f"part of {A}"


def test_a_part_of_two_indexes_stays_with_the_one_that_stays() -> None:
    images = (held(A, 3.0, parts=(B,)), held(B, 3.0), held(C, 2.0, parts=(B, D)), held(D, 2.0))
    assert gone(*images) == [C, D]


def test_a_host_uses_what_its_containers_run_and_what_its_engine_has() -> None:
    listed: list[dict[str, Any]] = [
        {"Id": "1", "Image": f"r/app@{A}", "ImageID": "i1", "State": "running", "Labels": {labels.DIGEST: A}},
        {"Id": "2", "Image": "i2", "ImageID": "i2", "State": "exited", "Labels": {labels.DIGEST: B}},
        {"Id": "3", "Image": "web:1", "ImageID": "i3", "State": "running", "Labels": None},
    ]
    images: list[dict[str, Any]] = [
        {"Id": "i1", "RepoDigests": [f"r/app@{A}"]},
        {"Id": "i3", "RepoDigests": [f"r/web@{C}"]},
        {"Id": "i4", "RepoDigests": [f"r/app@{D}"]},
        {"Id": "i5", "RepoDigests": None},
    ]
    assert of_engine("web1", listed, images) == {
        A: "web1 runs it",
        B: "web1 keeps it",
        C: "web1 runs it",
        D: "web1 keeps it",
    }


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (120, "2 min"), (7200, "2 h"), (3 * 86400, "3 d")])
def test_ages_are_told_in_one_unit(seconds: int, text: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert age(now.timestamp() - seconds, now) == text
    assert age(0.0, now) == ""
