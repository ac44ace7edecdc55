import json

from deploy.output import report
from deploy.output.mask import Mask
from deploy.values.errors import HostError, InputError

NO_SECRETS = Mask([])


def test_a_failure_says_what_where_why_details_and_what_to_do() -> None:
    error = HostError(
        "The image could not be pulled.",
        why="unauthorized: token tok-12345 expired\nasked twice",
        advice="check REGISTRY_PASSWORD, then:\n  invoke deploy --profile=prod",
        host="192.0.2.10",
        step="pull",
        details=["line 1\nline 2", "line 3 \x1b[31mred"],
    )
    assert report.failure(error, Mask(["tok-12345"])) == (
        "error: The image could not be pulled.\n"
        "  where: 192.0.2.10, step pull\n"
        "  why: unauthorized: token **** expired\n"
        "       asked twice\n"
        "  | line 1\n"
        "  | line 2\n"
        "  | line 3 red\n"
        "  do: check REGISTRY_PASSWORD, then:\n"
        "        invoke deploy --profile=prod"
    )


def test_a_failure_without_more_is_one_line() -> None:
    assert report.failure(InputError("no .env.prod"), NO_SECRETS) == "error: no .env.prod"


def test_a_table_is_aligned_and_counts_stand_to_the_right() -> None:
    rows = [
        {"host": "192.0.2.10", "seconds": 1.25, "image_size": 7, "now": "1.0-abc", "healthy": True},
        {"host": "web-2", "seconds": 10.0, "image_size": 1200, "now": None, "healthy": False},
    ]
    assert report.table(rows).splitlines() == [
        "HOST        SECONDS  IMAGE SIZE  NOW      HEALTHY",
        "192.0.2.10      1.2           7  1.0-abc  yes",
        "web-2          10.0        1200  -        no",
    ]


def test_a_table_takes_rows_with_other_keys_and_none_at_all() -> None:
    assert report.table([]) == ""
    assert report.table([{"a": 1}, {"b": "x\ny"}]).splitlines() == ["A  B", "1  -", "-  x\\x0ay"]


def test_a_table_is_masked_on_request() -> None:
    assert "tok-12345" not in report.table([{"value": "tok-12345"}], Mask(["tok-12345"]))


def test_json_is_masked_and_keeps_the_order() -> None:
    text = report.as_json({"z": "tok-12345", "a": ["é"]}, Mask(["tok-12345"]))
    assert list(json.loads(text).items()) == [("z", "****"), ("a", ["é"])]
    assert "é" in text
