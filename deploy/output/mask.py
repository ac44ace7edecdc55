"""Hiding secrets in whatever leaves the program: terminal, logs, reports, JSON."""

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence

HIDDEN = "****"

SHORTEST = 4
"""Characters. A shorter secret would also be found inside ordinary words, and the holes would spell it out;
it is hidden only where it stands alone, with neither letter nor digit beside it."""


class Mask:
    """Replaces secrets by `****`, in each form that programs print them in.

    Found are: the value itself; URL-encoded, whichever characters the encoder chose to escape; JSON-escaped;
    Base64, standard and URL-safe, at each of the three alignments a value can have inside a longer text
    (`user:password` of a Basic authorization is one). A secret of several lines is hidden line by line too,
    since output comes in lines.

    Not found are: a value cut in two by a line break it does not have itself; other encodings (hexadecimal,
    compressed, hashed); Base64 of a single line of a longer secret, and its lines of fewer than `SHORTEST`
    characters.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._patterns: dict[str, re.Pattern[str]] = {}
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these too from now on: settings are read when something may have been told already."""
        patterns = {pattern for secret in secrets for pattern in _patterns(secret)}
        # A new mapping at once: another thread may be masking with the present one.
        self._patterns = self._patterns | {pattern: re.compile(pattern) for pattern in patterns}

    def __call__(self, text: str) -> str:
        """The text with every secret in it replaced."""
        spans = sorted(
            (found.start(1), found.end(1))
            for pattern in self._patterns.values()
            for found in pattern.finditer(text)
        )
        if not spans:
            return text
        pieces = []
        shown = 0
        end = -1
        for start, stop in spans:
            if start >= end:
                pieces.append(text[shown:start] + HIDDEN)
            end = max(end, stop)
            shown = end
        return "".join(pieces) + text[shown:]

    def data(self, value: object) -> object:
        """A value made of mappings, sequences and scalars, its strings (keys too) masked; for JSON."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(key)): self.data(item) for key, item in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            return [self.data(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self(str(value))


def _patterns(secret: str) -> set[str]:
    """Regular expressions that find a secret; each puts what it found into group 1, under a look-ahead.

    The look-ahead lets finds of one pattern overlap, so that no tail of a repetitive secret stays behind.
    """
    value = secret.strip("\r\n")
    if not value:
        return set()
    if len(value) < SHORTEST:
        return {rf"(?<![^\W_])(?=({_any_escape(value)})(?![^\W_]))"}
    lines = {line.strip() for line in value.splitlines()}
    texts = {value} | {line for line in lines if len(line) >= SHORTEST}
    return {rf"(?=({_any_escape(text)}))" for text in texts} | _base64_patterns(value)


def _any_escape(text: str) -> str:
    return "".join(_character(character) for character in text)


def _character(character: str) -> str:
    """One character as itself, percent-encoded (either case of hexadecimal), or as JSON escapes it."""
    encoded = character.encode("utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "replace")
    percent = "".join(f"%{_hexadecimal(f'{byte:02x}')}" for byte in encoded)
    forms = [percent]
    escaped = json.dumps(character)[1:-1]
    if escaped != character:
        forms.append(
            "".join(
                rf"\\u{_hexadecimal(part)}" if index else re.escape(part)
                for index, part in enumerate(escaped.split("\\u"))
            )
            if "\\u" in escaped
            else re.escape(escaped)
        )
    if character == " ":
        forms.append(r"\+")
    # Last, so that the escaped form of `%` or of a backslash is taken whole.
    return f"(?:{'|'.join([*forms, re.escape(character)])})"


def _hexadecimal(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _base64_patterns(text: str) -> set[str]:
    """One pattern for each alignment: the characters that depend on the text alone, and the one at each edge.

    A Base64 character carries six bits. With `before` bytes in front, our first whole character is the first
    that begins after `before * 8` bits; a last one that is not filled depends on what follows.
    """
    data = text.encode("utf-8", "replace")
    found = set()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        first = -(-before * 8 // 6)
        core = encoded[first : (before + len(data)) * 8 // 6]
        if len(core) >= SHORTEST:
            edge = "[A-Za-z0-9+/_-]?"
            found.add(rf"(?=({edge if before else ''}{_base64_core(core)}{edge}(?:=|%3[dD]){{0,2}}))")
    return found


def _base64_core(core: str) -> str:
    alternatives = {"+": "(?:[+-]|%2[bB])", "/": "(?:[/_]|%2[fF])"}
    return "".join(alternatives.get(character, character) for character in core)
