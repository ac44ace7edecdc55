import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.output.mask import HIDDEN, Mask

SECRET = 'pa ss/w+rd"é~\\9'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").replace("%2F", "%2f").replace("%C3", "%c3"),
        quote(SECRET, safe="~*!'()"),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        quote(base64.b64encode(SECRET.encode()).decode(), safe=""),
    ],
)
def test_every_form_is_replaced_and_the_rest_is_left(form: str) -> None:
    assert Mask([SECRET])(f"before [{form}] after") == f"before [{HIDDEN}] after"


@pytest.mark.parametrize("before", ["", "u", "us", "user", "a longer name"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz"])
def test_base64_inside_a_longer_value_at_every_alignment(before: str, after: str) -> None:
    secret = "correct-horse-battery"
    encoded = base64.b64encode((before + secret + after).encode()).decode()
    masked = Mask([secret])(encoded)
    assert HIDDEN in masked
    rest = masked.replace(HIDDEN, "")
    assert len(rest) <= len(encoded) - (len(secret) * 8 // 6)


@given(
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=4),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
)
def test_no_secret_survives_in_any_form(secret: str, before: bytes, after: bytes) -> None:
    value = secret.strip("\r\n")
    if len(value) < 4 or value in HIDDEN:
        return
    mask = Mask([secret])
    encoded = base64.b64encode(before + value.encode() + after).decode()
    for form in (value, quote(value, safe=""), json.dumps(value)[1:-1]):
        assert HIDDEN in mask(f"<{form}>")
        assert mask(f"<{form}>") in (f"<{HIDDEN}>", mask(f"<{HIDDEN}>"))
    assert HIDDEN in mask(encoded)


def test_overlapping_secrets_leave_no_tail() -> None:
    assert Mask(["abcdef", "defghi"])("xabcdefghix") == f"x{HIDDEN}x"
    assert Mask(["aaaa"])("aaaaaa") == HIDDEN


def test_neighbours_are_hidden_one_by_one() -> None:
    assert Mask(["first-one", "second-one"])("first-one second-one") == f"{HIDDEN} {HIDDEN}"


def test_lines_of_a_secret_are_hidden_alone() -> None:
    mask = Mask(["-----BEGIN KEY-----\nQUJDREVGRw\n}\n-----END KEY-----\n"])
    assert mask("debug: QUJDREVGRw!") == f"debug: {HIDDEN}!"
    assert mask("a lone } stays") == "a lone } stays"


def test_a_short_secret_is_hidden_only_where_it_stands_alone() -> None:
    mask = Mask(["dev"])
    assert mask("PASSWORD=dev, /dev/null") == f"PASSWORD={HIDDEN}, /{HIDDEN}/null"
    assert mask("device 4dev") == "device 4dev"


def test_empty_secrets_hide_nothing() -> None:
    assert Mask(["", "\n"])("nothing") == "nothing"
    assert Mask([])("nothing") == "nothing"


def test_data_is_masked_throughout() -> None:
    data = {"a": ["token-1234", 5, None, True, 1.5], "token-1234": {"b": ("x", b"token-1234")}}
    assert Mask(["token-1234"]).data(data) == {
        "a": [HIDDEN, 5, None, True, 1.5],
        HIDDEN: {"b": ["x", f"b'{HIDDEN}'"]},
    }


def test_what_is_learnt_later_is_hidden_from_then_on() -> None:
    mask = Mask()
    assert mask("token-1234") == "token-1234"
    mask.learn(["token-1234"])
    mask.learn(["other-5678"])
    assert mask("token-1234 other-5678") == f"{HIDDEN} {HIDDEN}"
