"""Making text from elsewhere harmless on a terminal and in a log."""

import re
from collections.abc import Callable

# ECMA-48: CSI … final byte; OSC, DCS, SOS, PM and APC up to BEL or ST; two-character escapes. With C1 forms.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)

# What is left of C0 and C1 (a tab stays), line and paragraph separators, and what reorders or hides: the
# bidirectional controls, zero-width characters and lone surrogates.
_CONTROL = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)


def clean_line(text: str) -> str:
    """One line without terminal control: escape sequences removed, other control characters made visible."""
    return _CONTROL.sub(_visible, _SEQUENCE.sub("", text)).replace("\t", "    ")


def clean_lines(text: str) -> list[str]:
    """The lines of a text, each cleaned; a carriage return ends a line as a newline does."""
    return [clean_line(line) for line in re.split(r"\r\n|\r|\n", text.rstrip("\r\n"))]


def safe(text: str, mask: Callable[[str], str]) -> str:
    """A text as one line, masked and free of control characters.

    Masked before and after: a secret may hold what the cleaning changes, and the cleaning may join one again.
    """
    return mask(" ".join(clean_lines(mask(text))))


def safe_lines(text: str, mask: Callable[[str], str]) -> list[str]:
    """The lines of a text, masked and free of control characters."""
    return [mask(line) for line in clean_lines(mask(text))]


def _visible(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
