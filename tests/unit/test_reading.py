import pytest

from deploy.reading import moment

NOW = 1_767_323_045.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - 90),
        ("10m", NOW - 600),
        ("2h", NOW - 7200),
        ("1d", NOW - 86400),
        ("2026-01-02T03:04:05Z", NOW),
        ("2026-01-02T04:04:05+01:00", NOW),
        ("2026-01-02T03:04:05", NOW),
        ("2026-01-02", NOW - 3 * 3600 - 4 * 60 - 5),
    ],
)
def test_a_moment_or_so_long_ago(text: str, expected: float) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "10", "-1h", "1.5h", "yesterday", "10 m", "9999999999s", "١٠m"])  # noqa: RUF001
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="use 90s"):
        moment(text, NOW)
