import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deploy.values.dotenv import LIMIT, Parsed, parse
from deploy.values.known import is_key

BOM = b"\xef\xbb\xbf"


def read(content: str | bytes) -> Parsed:
    data = content.encode() if isinstance(content, str) else content
    return parse(data, ".env.dev", is_key=is_key)


def values(content: str | bytes) -> dict[str, str]:
    parsed = read(content)
    assert [str(problem) for problem in parsed.problems] == []
    return {setting.key: setting.value for setting in parsed.settings}


def problems(content: str | bytes) -> list[str]:
    return [str(problem) for problem in read(content).problems]


def test_keys_values_and_lines() -> None:
    parsed = read("# a comment\n\n\nAPP_NAME=hello\n \n  export HOSTS = 'a,b' # two\nMEMORY=\"700m\"")

    assert [(setting.key, setting.value, setting.origin) for setting in parsed.settings] == [
        ("APP_NAME", "hello", ".env.dev:4"),
        ("HOSTS", "a,b", ".env.dev:6"),
        ("MEMORY", "700m", ".env.dev:7"),
    ]


@pytest.mark.input(2)
def test_a_byte_order_mark_is_accepted() -> None:
    assert values(BOM + b"APP_NAME=hello\n") == {"APP_NAME": "hello"}


@pytest.mark.input(3)
@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
def test_any_newline_is_accepted_and_counted_once(newline: str) -> None:
    parsed = read(newline.join(["A B=1", "", "MEMORY=1", "x y", "", "CPUS=2", ""]))

    assert [problem.origin for problem in parsed.problems] == [".env.dev:1", ".env.dev:4"]
    assert [setting.origin for setting in parsed.settings] == [".env.dev:3", ".env.dev:6"]


def test_a_secret_of_several_lines_is_kept_byte_exact() -> None:
    key = "-----BEGIN KEY-----\r\nAb=cd\r\nMIIE+/==\r\n-----END KEY-----"
    parsed = read(f'SECRET_KEY="{key}"\r\nAPP_NAME=x')

    assert parsed.problems == ()
    assert [(setting.value, setting.origin) for setting in parsed.settings] == [
        (key, ".env.dev:1"),
        ("x", ".env.dev:5"),
    ]


@pytest.mark.input(4)
def test_every_line_that_is_not_utf_8_is_named() -> None:
    assert problems("A=1\n\n# ä\nB=ö\n".encode("latin-1")) == [
        ".env.dev:3: not UTF-8, line 3; save the file as UTF-8",
        ".env.dev:4: not UTF-8, line 4; save the file as UTF-8",
    ]


@pytest.mark.input(4)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_named_once(encoding: str) -> None:
    (problem,) = problems("APP_NAME=hello\nHOSTS=a\n".encode(encoding))
    assert "not UTF-8 but UTF-16 as it seems, line 1" in problem


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("APP_NAME", "1: APP_NAME: expected KEY=value", marks=pytest.mark.input(5)),
        pytest.param("hello", "1: expected KEY=value", marks=pytest.mark.input(5)),
        pytest.param("APP_NAME='abc", "1: APP_NAME: unclosed quote", marks=pytest.mark.input(8)),
        pytest.param('SECRET_X="abc\\"', "1: SECRET_X: unclosed quote", marks=pytest.mark.input(8)),
        pytest.param("SECRET_X='a' b", "1: SECRET_X: unexpected text", marks=pytest.mark.input(9)),
        pytest.param("SECRET_X='it's'", "1: SECRET_X: unexpected text", marks=pytest.mark.input(9)),
        pytest.param("A B=1", "1: invalid key", marks=pytest.mark.input(10)),
        pytest.param("APP_NAME: hello", "1: APP_NAME: invalid key", marks=pytest.mark.input(10)),
        pytest.param("APP-NAME=hello", "1: invalid key", marks=pytest.mark.input(10)),
        pytest.param("'APP_NAME'=hello", "1: invalid key", marks=pytest.mark.input(10)),
        pytest.param("=hello", "1: invalid key", marks=pytest.mark.input(10)),
        pytest.param("K" * 200 + "=1", "1: invalid key", marks=pytest.mark.input(10)),
        pytest.param("'", "1: invalid key", marks=pytest.mark.input(11)),
        pytest.param("export", "1: expected KEY=value", marks=pytest.mark.input(12)),
        pytest.param(
            "SECRET_PW=pa #ss", "1: SECRET_PW: quote values containing #", marks=pytest.mark.input(13)
        ),
        pytest.param(
            "APP_NAME= # none", "1: APP_NAME: quote values containing #", marks=pytest.mark.input(13)
        ),
        pytest.param("A=x\0y", "1: control character U+0000", marks=pytest.mark.input(17)),
        pytest.param("# \x1b[31m", "1: control character U+001B", marks=pytest.mark.input(17)),
        pytest.param("A=\x85", "1: control character U+0085", marks=pytest.mark.input(17)),
        pytest.param("A=1\u200b", "1: contains U+200B (zero width space)", marks=pytest.mark.input(37)),
        pytest.param("A=\u00a01", "1: contains U+00A0 (no-break space)", marks=pytest.mark.input(37)),
        pytest.param(
            "\u201cAPP_NAME\u201d=x",
            "1: invalid key, write KEY=value with KEY of A-Z, 0-9 and _; contains U+201C",
            marks=pytest.mark.input(37),
        ),
        ("A=1" + " " * 300 + "2", "1: more than 256 blanks in a row"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_what_is_wrong(content: str, expected: str) -> None:
    (problem,) = problems(content)

    assert problem.startswith(f".env.dev:{expected}")


@pytest.mark.input(8)
@pytest.mark.parametrize(
    "content",
    [
        "APP_NAME='abc\nHOSTS=a\nCPUS='1'\nMEMORY=1",
        'SECRET_X="abc\nHOSTS=a\nCPUS=b"\nMEMORY=1',
        'SECRET_X="abc\nHOSTS=a\nexport SECRET_Y="b"\nMEMORY=1',
    ],
)
def test_a_quote_that_swallowed_lines_gives_them_back(content: str) -> None:
    parsed = read(content)

    assert str(parsed.problems[0]).startswith(".env.dev:1:")
    assert "unclosed quote" in str(parsed.problems[0])
    assert {"HOSTS", "MEMORY"} <= {setting.key for setting in parsed.settings}


@pytest.mark.input(11)
def test_a_stray_quote_does_not_turn_the_next_lines_into_a_key() -> None:
    parsed = read("'\nAPP_NAME=hello\nSECRET_X='y'\nHOSTS=a\n")

    assert [str(problem).partition(", ")[0] for problem in parsed.problems] == [".env.dev:1: invalid key"]
    assert [setting.key for setting in parsed.settings] == ["APP_NAME", "SECRET_X", "HOSTS"]


@pytest.mark.input(12)
def test_export_is_accepted() -> None:
    assert values("export APP_NAME=hello") == {"APP_NAME": "hello"}


@pytest.mark.input(14)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'a${B}'", "a${B}"),
        ('"a${B}"', "a${B}"),
        ("a${B}", "a${B}"),
        ("'a#b # c'", "a#b # c"),
        ("a#b", "a#b"),
        ("'$(id);`id`|&<>\\n'", "$(id);`id`|&<>\\n"),
        ('"a\\nb"', "a\nb"),
        ("'it\\'s'", "it's"),
        ("it's", "it's"),
        ("'  '", "  "),
    ],
)
def test_values_are_literal(text: str, value: str) -> None:
    assert values(f"SECRET_X={text}") == {"SECRET_X": value}


@pytest.mark.input(15)
def test_no_variable_is_expanded() -> None:
    assert values("APP_ENV_A=${B}\nAPP_ENV_B=${A}") == {"APP_ENV_A": "${B}", "APP_ENV_B": "${A}"}


@pytest.mark.input(18)
def test_a_file_that_is_too_large_is_not_read() -> None:
    assert problems(b"A=" + b" " * LIMIT) == [".env.dev: larger than 256 KiB, which no settings file is"]


@pytest.mark.parametrize(
    "content",
    [
        "A=x" + " " * (LIMIT - 10),
        "A=x" + " " * 255 + "\n",
        "SECRET_A='\n",
        'SECRET_A="\n',
        "A='\\\n",
        "'\n",
        "A B\n",
        "\n",
        "\\'",
        "A=#\n",
        "A= #",
    ],
)
def test_no_file_takes_long(content: str) -> None:
    begun = time.process_time()

    read((content * (LIMIT // len(content)))[:LIMIT])

    assert time.process_time() - begun < 2


def test_a_file_of_errors_is_left_after_a_hundred() -> None:
    found = problems("A B\n" * 1000)

    assert len(found) == 101
    assert found[-1] == ".env.dev:101: too many errors, the rest of the file was not read"


def test_a_file_of_a_thousand_settings_is_left() -> None:
    parsed = read("".join(f"K{number}=1\n" for number in range(2000)))

    assert len(parsed.settings) == 1000
    (problem,) = parsed.problems
    assert str(problem) == ".env.dev:1001: too many settings, the rest of the file was not read"


def test_a_line_that_cannot_be_read_may_be_a_secret_and_is_not_shown() -> None:
    lines = [
        "hunter2",
        "hunter2 x",
        "SECRET_X='hunter2' hunter2",
        "SECRET_Y=hunter2 #hunter2",
        "'hunter2",
        "hunter-2=3",
    ]
    found = problems("\n".join(lines))

    assert len(found) == len(lines)
    assert "hunter" not in "".join(found)


def test_keys_of_lines_that_cannot_be_read_are_known_as_meant() -> None:
    assert {"APP_NAME", "HOSTS"} <= read("APP_NAME='x\nHOSTS: a").mentioned


@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf\xef\xbb\xbfA=1")
@example(b"'\n'")
@example(b"A='\n'\n'")
@settings(max_examples=500)
def test_any_bytes_are_settings_or_problems(data: bytes) -> None:
    parsed = read(data)

    lines = data.count(b"\n") + data.count(b"\r") + 1
    origins = [setting.origin for setting in parsed.settings] + [
        problem.origin for problem in parsed.problems
    ]
    for origin in origins:
        assert 1 <= int(origin.rpartition(":")[2]) <= lines


LINE = st.text(alphabet=st.sampled_from("AB_ ='\"#\\\t$\r\n\ufeff\u2028x"), max_size=60)


@given(LINE)
@settings(max_examples=500)
def test_any_text_is_settings_or_problems_in_order(text: str) -> None:
    parsed = read(text)

    places = [int(setting.origin.rpartition(":")[2]) for setting in parsed.settings]
    assert places == sorted(places)


@given(
    st.text(alphabet=st.characters(blacklist_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"]), max_size=50)
)
def test_any_value_can_be_written_between_single_quotes(value: str) -> None:
    written = value.replace("\\", "\\\\").replace("'", "\\'")

    assert values(f"SECRET_X='{written}'") == {"SECRET_X": value}
