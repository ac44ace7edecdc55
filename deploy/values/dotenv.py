"""Settings files: bytes in, settings and what is wrong with them out, with lines."""

import bisect
import io
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dotenv.parser import Binding, parse_stream

from deploy.values.keys import Problem, Setting

LIMIT = 256 * 1024
"""Bytes that a settings file may have."""
_MOST_PROBLEMS = 100
_MOST_SETTINGS = 1000
"""After so many the rest of a file is not read: it is no settings file."""
_NEWLINE = re.compile(r"\r\n|\n|\r")
TYPOGRAPHIC_QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\uff02\uff07"
"""What a word processor makes of the quotes of a settings file."""
_START = re.compile(r"\s*(?:export[^\S\r\n]+)?(?P<key>[A-Za-z_][A-Za-z0-9_]{0,127})[^\S\r\n]*(?==)")
_MENTION = re.compile(r"\s*(?:export[^\S\r\n]+)?(?P<key>[A-Za-z_][A-Za-z0-9_]{0,127})")
_CLOSED = {
    "'": re.compile(r"'(?:\\.|[^'\\])*'", re.DOTALL),
    '"': re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL),
}
# The parser's removal of comments takes time by the square of the length of a run of blanks.
_BLANKS = re.compile(r"[ \t]{257,}")
_INVALID_KEY = "invalid key, write KEY=value with KEY of A-Z, 0-9 and _"


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What a settings file says."""

    settings: tuple[Setting, ...]
    problems: tuple[Problem, ...]
    mentioned: frozenset[str]
    """Keys of lines that could not be read: set by the writer's intention."""
    complete: bool = True
    """Whether all of the file was read."""


def parse(data: bytes, name: str, *, is_key: Callable[[str], bool]) -> Parsed:
    """Read a settings file.

    Args:
        data: the content of the file.
        name: how messages call the file.
        is_key: tells the keys, to see that a quote swallowed lines.
    """
    if len(data) > LIMIT:
        text = "larger than 256 KiB, which no settings file is"
        return unread(Problem(origin=name, text=text))
    return _Reader(name, is_key).read(data)


def unread(problem: Problem) -> Parsed:
    """What there is of a file that was not read."""
    return Parsed(settings=(), problems=(problem,), mentioned=frozenset(), complete=False)


class _Reader:
    """Gathers what one file says."""

    def __init__(self, name: str, is_key: Callable[[str], bool]) -> None:
        self._name = name
        self._is_key = is_key
        self._settings: list[Setting] = []
        self._problems: list[Problem] = []
        self._mentioned: set[str] = set()
        self._complete = True

    def read(self, data: bytes) -> Parsed:
        for line, original in _bindings(self._clean(data), self._is_key):
            if len(self._problems) >= _MOST_PROBLEMS or len(self._settings) >= _MOST_SETTINGS:
                what = "errors" if len(self._problems) >= _MOST_PROBLEMS else "settings"
                self._problem(line, f"too many {what}, the rest of the file was not read")
                self._complete = False
                break
            self._binding(line, original)
        return Parsed(
            settings=tuple(self._settings),
            problems=tuple(self._problems),
            mentioned=frozenset(self._mentioned),
            complete=self._complete,
        )

    def _problem(self, line: int, text: str, source: str = "") -> None:
        """Note what is wrong; the line's key is named when it is a key, for anything else may be a secret."""
        mention = _MENTION.match(source)
        key = mention["key"] if mention and self._is_key(mention["key"]) else ""
        self._mentioned.add(key)
        self._problems.append(Problem(origin=f"{self._name}:{line}", key=key, text=text))

    def _clean(self, data: bytes) -> str:
        """The text of the file, with the lines that no parser should see left empty and reported."""
        if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data.count(b"\0") > len(data) // 4:
            self._problem(1, "not UTF-8 but UTF-16 as it seems, line 1; save the file as UTF-8")
            self._complete = False
            return ""
        lines = re.split(rb"(\r\n|\n|\r)", data.removeprefix(b"\xef\xbb\xbf"))
        texts = [self._clean_line(number // 2 + 1, line) for number, line in enumerate(lines)]
        return "".join(texts)

    def _clean_line(self, number: int, line: bytes) -> str:
        if line in (b"\r\n", b"\n", b"\r"):
            return line.decode()
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text, wrong = line.decode(errors="replace"), f"not UTF-8, line {number}; save the file as UTF-8"
        else:
            wrong = _wrong_characters(text)
        if wrong and len(self._problems) <= _MOST_PROBLEMS:
            self._problem(number, wrong, text)
        return "" if wrong else text

    def _binding(self, line: int, binding: Binding) -> None:
        original = binding.original.string
        if binding.key is None and not binding.error:
            return
        wrong = _wrong_binding(binding)
        if wrong or binding.key is None or binding.value is None:
            self._problem(line, wrong or _INVALID_KEY, original)
            return
        quoted = _raw_value(original).lstrip()[:1] in _CLOSED
        origin = f"{self._name}:{line}"
        self._settings.append(Setting(key=binding.key, value=binding.value, origin=origin, quoted=quoted))


def _wrong_characters(line: str) -> str:
    """What no line may hold; comments may hold anything that can be seen."""
    comment = line.lstrip().startswith("#")
    # What can be seen is the rule, and looking at each character takes twenty times as long.
    seen = line.replace("\t", " ").isprintable()
    for character in "" if seen else line:
        category = unicodedata.category(character)
        if category == "Cc" and character != "\t":
            return f"control character U+{ord(character):04X}"
        if character == "\ufeff" or (not comment and is_invisible(character)):
            return f"contains {describe_character(character)}, which cannot be seen; type the line again"
    if not comment and _BLANKS.search(line):
        return "more than 256 blanks in a row"
    return ""


def is_invisible(character: str) -> bool:
    """Whether a character looks like a blank or like nothing, and is not the ordinary blank."""
    return character != " " and unicodedata.category(character) in ("Cf", "Zs", "Zl", "Zp")


def describe_character(character: str) -> str:
    """Code point and name."""
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'no name').lower()})"


def _bindings(text: str, is_key: Callable[[str], bool]) -> Iterator[tuple[int, Binding]]:
    """Each binding with the line it begins on.

    The parser's own lines count the blank lines before a binding, and drift in files with CRLF; and where a
    quote or a stray ' swallowed lines, reading starts again on the line after it.
    """
    starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]
    position = 0
    while position < len(text):
        for binding in parse_stream(io.StringIO(text[position:], newline="")):
            original = binding.original.string
            begin = position + len(original) - len(original.lstrip())
            line = bisect.bisect_right(starts, begin)
            position += len(original)
            if _swallowed(binding, is_key):
                end = starts[line]
                stub = binding.original._replace(string=text[begin:end])
                yield line, binding._replace(key=None, value=None, original=stub, error=True)
                position = end
                break
            yield line, binding._replace(original=binding.original._replace(string=original.lstrip()))


def _swallowed(binding: Binding, is_key: Callable[[str], bool]) -> bool:
    """Whether a binding runs over several lines without being a value in quotes that was meant to."""
    first, *rest = _NEWLINE.split(binding.original.string.strip())
    if not rest:
        return False
    if binding.error or binding.value is None or not _START.match(first):
        return True
    starts = (_START.match(line) for line in rest)
    return any(start and is_key(start["key"]) for start in starts)


def _wrong_binding(binding: Binding) -> str:
    original = binding.original.string.strip()
    if not _START.match(original):
        return _wrong_start(binding, original)
    raw = _raw_value(original)
    rest = raw.lstrip()
    closed = _CLOSED[rest[0]].match(rest) if rest[:1] in _CLOSED else None
    if rest[:1] in _CLOSED and not closed:
        return f"unclosed quote, end the value with {rest[0]}"
    if binding.error:
        return "unexpected text after the closing quote"
    if not closed and re.search(r"\s#", raw):
        return "quote values containing #, and put comments on lines of their own"
    return ""


def _raw_value(original: str) -> str:
    """What stands after the = of a binding, quotes, blanks and comment included."""
    return original.partition("=")[2]


def _wrong_start(binding: Binding, original: str) -> str:
    if not binding.error and binding.value is None and not original.startswith("'"):
        return "expected KEY=value"
    quote = next((character for character in original if character in TYPOGRAPHIC_QUOTES), "")
    return f"{_INVALID_KEY}; contains {describe_character(quote)}" if quote else _INVALID_KEY
