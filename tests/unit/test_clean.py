import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.output.clean import clean_line, clean_lines, safe
from deploy.output.mask import Mask


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07shown", "shown"),
        ("\x1b]8;;http://192.0.2.1/\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("\x1b(Bcharset \x1bcreset", "charset reset"),
        ("a\x07bell\x00nul\x7f", "a\\x07bell\\x00nul\\x7f"),
        ("\x1b", "\\x1b"),
        ("right\u202eleft\u200b\ufeff", "right\\u202eleft\\u200b\\ufeff"),
        ("lone \udcff", "lone \\udcff"),
        ("tab\tstop", "tab    stop"),
        ("Größe ✔ 漢字", "Größe ✔ 漢字"),
    ],
)
def test_terminal_control_is_removed_or_made_visible(text: str, expected: str) -> None:
    assert clean_line(text) == expected


def test_a_carriage_return_cannot_overwrite_what_came_before() -> None:
    assert clean_lines("password ok\rall fine\r\nnext\n") == ["password ok", "all fine", "next"]


def test_an_empty_text_is_one_empty_line() -> None:
    assert clean_lines("") == [""]


@given(st.text())
def test_nothing_that_controls_a_terminal_is_left(text: str) -> None:
    for line in clean_lines(text):
        assert not [c for c in line if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]


def test_a_secret_hidden_behind_escape_sequences_is_masked() -> None:
    assert safe("tok\x1b[0men-1234\nmore", Mask(["token-1234"])) == "**** more"
