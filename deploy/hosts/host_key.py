"""Show the key by which a host proves itself, and pin it.

Nothing is sent to log in: the key comes with the key exchange, which ends there.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

import paramiko

from deploy.hosts import known_hosts, opening
from deploy.hosts.known_hosts import Entry
from deploy.values.errors import InputError
from deploy.values.inventory import Access, Host


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The key that a host showed."""

    host: Host
    name: str
    """The host as known_hosts files write it: `name`, or `[name]:port`."""
    came_from: str
    """Who showed it: `address:port`, and the gateways on the way there."""
    key_type: str
    key: str
    """Base64."""
    answer: Literal["pinned", "unknown", "changed", "revoked"]
    """What the known_hosts files say of it."""
    entries: tuple[Entry, ...]
    """The lines that speak of this host: what was pinned instead, or what revokes."""
    file: str
    """The known_hosts file to pin it in."""

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return known_hosts.fingerprint(self.key)

    @property
    def line(self) -> str:
        """The line that pins it."""
        return f"{self.name} {self.key_type} {self.key}"


def show(host: Host, access: Access, *, timeout: float = 10) -> Shown:
    """Ask a host for its key, through ssh_config's gateways, whose own keys must be pinned.

    Raises:
        HostError: it cannot be reached.
    """
    try:
        opening.close(opening.open_fabric(host, access, timeout, policy=_Showing))
    except _Seen as seen:
        return seen.shown
    raise AssertionError("the policy ends every connection")


def pin(shown: Shown) -> None:
    """Write the key into its known_hosts file, in place of what is pinned there for the host.

    Raises:
        InputError: the key is revoked, another file pins another key, or the file cannot be written.
    """
    if shown.answer == "revoked":
        entry = shown.entries[0]
        raise InputError(
            f"The key of {shown.host.name} is marked @revoked, and is not pinned.",
            why=f"{entry.file}:{entry.line}",
            advice="Give the host new keys: sudo rm /etc/ssh/ssh_host_* && sudo ssh-keygen -A",
        )
    elsewhere = [entry for entry in shown.entries if entry.file != shown.file]
    if shown.answer == "changed" and elsewhere:
        raise InputError(
            f"Another key of {shown.host.name} is pinned in {elsewhere[0].file}.",
            why=f"line {elsewhere[0].line} of it would still refuse this one",
            advice=f"sed -i '{elsewhere[0].line}d' {elsewhere[0].file}",
        )
    stale = {entry.line for entry in shown.entries} if shown.answer == "changed" else set()
    try:
        _rewrite(Path(shown.file), shown.line, stale)
    except OSError as error:
        raise InputError(f"{shown.file} cannot be written.", why=str(error.strerror)) from error


def _rewrite(file: Path, line: str, stale: set[int]) -> None:
    """Write the file anew without the stale lines and with the new one; whole or not at all."""
    file = file.resolve()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = file.read_text(errors="surrogateescape") if file.exists() else ""
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    kept = [text for number, text in enumerate(before.splitlines(), 1) if number not in stale]
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", errors="surrogateescape") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write("".join(f"{text}\n" for text in (*kept, line)))
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class _Seen(Exception):
    def __init__(self, shown: Shown) -> None:
        super().__init__(shown.fingerprint)
        self.shown = shown


class _Showing(opening.Pinned):
    """Takes the key down and ends the connection, pinned or not."""

    def missing_host_key(self, _client: paramiko.SSHClient, _hostname: str, key: paramiko.PKey) -> NoReturn:
        place, text = self.place, key.get_base64()
        verdict = self.known.judge(place.name, place.port, text)
        raise _Seen(
            Shown(
                host=place.host,
                name=known_hosts.written(place.name, place.port),
                came_from=_way(place.hop),
                key_type=key.get_name(),
                key=text,
                answer=verdict.answer,
                entries=verdict.entries,
                file=place.files[0],
            )
        )


def _way(hop: object) -> str:
    """The address that was connected to, and the gateways before it."""
    places: Sequence[str] = [f"{each.host}:{each.port}" for each in opening.way(hop)]
    return " through ".join(places)
