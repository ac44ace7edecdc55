"""Which host keys are pinned, by the rules of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".

paramiko reads these files too, but knows one key of a type a host, no wildcards and no `@revoked`, and
prefers only the first pinned type; so keys are judged here.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

DEFAULT_PORT = 22


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a known_hosts file."""

    names: tuple[str, ...]
    """Patterns as written: `name`, `address`, `[host]:port`, `|1|salt|hash`; `*` and `?`, `!` in front."""
    key_type: str
    key: str
    """Base64, as written."""
    marker: str = ""
    """`@revoked`, `@cert-authority` or empty."""
    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the files say of a key that a server showed."""

    answer: Literal["pinned", "unknown", "changed", "revoked"]
    entries: tuple[Entry, ...] = ()
    """The entries that speak of this host: what was pinned instead, or the line that revokes."""


class KnownHosts:
    """The entries of all files, in order."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = tuple(entries)

    def key_types(self, name: str, port: int) -> tuple[str, ...]:
        """Types of the keys pinned for a host: a server is to show one of these if it can."""
        return tuple(dict.fromkeys(entry.key_type for entry in self._of(name, port) if not entry.marker))

    def judge(self, name: str, port: int, key: str) -> Verdict:
        """Say whether a server's key, in base64, is the pinned one.

        As in OpenSSH, an entry without port accepts its key on any port, but says nothing against another one
        there.
        """
        entries = self._of(name, port)
        revoked = tuple(e for e in entries if e.marker == "@revoked" and _same(e.key, key))
        if revoked:
            return Verdict(answer="revoked", entries=revoked)
        pinned = tuple(entry for entry in entries if not entry.marker)
        if any(_same(entry.key, key) for entry in pinned):
            return Verdict(answer="pinned", entries=pinned)
        exact = tuple(entry for entry in pinned if matches(entry.names, written(name, port)))
        return Verdict(answer="changed" if exact else "unknown", entries=exact)

    def _of(self, name: str, port: int) -> tuple[Entry, ...]:
        exact = tuple(entry for entry in self.entries if matches(entry.names, written(name, port)))
        if port == DEFAULT_PORT:
            return exact
        return exact + tuple(entry for entry in self.entries if matches(entry.names, written(name)))


def written(name: str, port: int = DEFAULT_PORT) -> str:
    """A host as known_hosts writes it: `name`, or `[name]:port` for another port than 22."""
    return name.lower() if port == DEFAULT_PORT else f"[{name.lower()}]:{port}"


def parse(text: str, file: str) -> tuple[Entry, ...]:
    """Read the content of a known_hosts file; lines that are no entries are left out, as OpenSSH does."""
    found = (_entry(line, file, number) for number, line in enumerate(text.splitlines(), 1))
    return tuple(entry for entry in found if entry is not None)


def _entry(line: str, file: str, number: int) -> Entry | None:
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < 3 or fields[0].startswith("#"):
        return None
    names, key_type, key = fields[:3]
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        return None
    return Entry(
        names=tuple(names.split(",")), key_type=key_type, key=key, marker=marker, file=file, line=number
    )


def matches(patterns: tuple[str, ...], host: str) -> bool:
    """Whether a line's patterns name a host; a matching `!pattern` wins over all others."""
    if any(_matches(pattern[1:], host) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(_matches(pattern, host) for pattern in patterns if not pattern.startswith("!"))


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("|1|"):
        return _hashed(pattern, host)
    # Not fnmatch: there `[` begins a set of characters, here it begins `[host]:port`.
    expression = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, host, re.DOTALL) is not None


def _hashed(pattern: str, host: str) -> bool:
    try:
        _, _, salt, digest = pattern.split("|")
        expected = base64.b64decode(digest)
        found = hmac.new(base64.b64decode(salt), host.encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return hmac.compare_digest(expected, found)


def _same(one: str, other: str) -> bool:
    return base64.b64decode(one) == base64.b64decode(other)


def fingerprint(key: str) -> str:
    """The fingerprint of a key in base64, as `ssh-keygen -l` prints it: `SHA256:…`."""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
