"""Why a host could not be connected to, and what to do about it."""

import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from deploy.hosts import known_hosts
from deploy.hosts.known_hosts import Verdict, fingerprint
from deploy.values.errors import HostError, Unreachable
from deploy.values.inventory import Access, Host

KEY_TYPES = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa", "rsa-sha2-512": "rsa", "rsa-sha2-256": "rsa"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Whose key was judged, and by which files."""

    host: Host
    name: str
    """As known_hosts files name it: the address, or ssh_config's HostKeyAlias."""
    port: int
    files: tuple[str, ...]
    hop: Any
    """Fabric's connection: the host's, or its gateway's."""


def host_key(place: Place, key_type: str, key: str, verdict: Verdict) -> HostError:
    """The error for a host key that is not the pinned one."""
    host, files = place.host, place.files
    where = known_hosts.written(place.name, place.port)
    shown = f"{where} shows {key_type} {fingerprint(key)}"
    pinned = [f"{e.key_type} {fingerprint(e.key)} ({e.file}:{e.line})" for e in verdict.entries]
    compare = (
        "compare the fingerprint on the host itself (for f in /etc/ssh/ssh_host_*_key.pub; "
        "do ssh-keygen -lf $f; done)"
    )
    if verdict.answer == "revoked":
        return HostError(
            "The host key is revoked; nothing was sent to it.",
            why=f"{shown}, which {verdict.entries[0].file}:{verdict.entries[0].line} marks @revoked.",
            advice="Give the host new keys: sudo rm /etc/ssh/ssh_host_* && sudo ssh-keygen -A",
            host=host.name,
        )
    scan = _scan(place, key_type)
    if verdict.answer == "unknown":
        return HostError(
            "The host key is not known; nothing was sent to it.",
            why=f"{shown}; no entry for {where} in {', '.join(files)}.",
            advice=f"First {compare}, then pin it: {scan}",
            host=host.name,
        )
    first = verdict.entries[0]
    lines = ";".join(f"{entry.line}d" for entry in verdict.entries if entry.file == first.file)
    return HostError(
        "The host key has changed: the host was reinstalled, or another machine answers in its place. "
        "Nothing was sent to it.",
        why=f"{shown}; pinned is {', '.join(pinned)}.",
        advice=f"If it was reinstalled, {compare}, then remove the line {first.file}:{first.line} and pin "
        f"the new key: sed -i '{lines}' {shlex.quote(first.file)} && {scan}",
        host=host.name,
    )


def command(hop: Any) -> str:
    """The `ssh` command that connects to the same place by hand."""
    return shlex.join(["ssh", *_port(hop), f"{hop.user}@{hop.host}"])


def _port(hop: Any) -> list[str]:
    return ["-p", str(hop.port)] if hop.port != known_hosts.DEFAULT_PORT else []


def _scan(place: Place, key_type: str) -> str:
    short = KEY_TYPES.get(key_type, "ecdsa" if key_type.startswith("ecdsa") else key_type)
    scan = shlex.join(["ssh-keyscan", *_port(place.hop), "-t", short, place.hop.host])
    if place.hop.gateway and not isinstance(place.hop.gateway, str):
        scan = f"{command(place.hop.gateway)} {scan}"
    if place.name != place.hop.host:
        scan = f"{scan} | sed {shlex.quote(f's/^[^ ]*/{place.name}/')}"
    return f"{scan} >> {shlex.quote(place.files[0])}"


def opening(host: Host, hop: Any, access: Access, error: Exception, *, via: bool) -> HostError:
    """The error for a connection that could not be opened; `hop` is the machine it failed at."""
    if isinstance(error, HostError):
        return error
    place = f"{hop.host}:{hop.port}"
    gateway = f" (the gateway to {host.name})" if via else ""
    if _logging_in(hop):
        return _login(host, hop, access, error, f"{place}{gateway}")
    if isinstance(error, socket.gaierror):
        what, why = f"The name {hop.host}{gateway} cannot be resolved.", str(error.strerror)
        return Unreachable(what, why=why, advice="Check HOSTS, ssh_config and the DNS.", host=host.name)
    if isinstance(error, TimeoutError) or "timeout" in str(error).lower():
        what = f"{place}{gateway} does not answer."
        why = "Nothing came back in time: the host is down, or a firewall drops packets to this port."
    elif "banner" in str(error) or "No existing session" in str(error):
        what = f"{place}{gateway} does not answer as an SSH server."
        why = "It accepts connections, and then falls silent: overloaded, cut off, or no SSH server at all."
    elif isinstance(error, ConnectionRefusedError):
        what, why = f"{place}{gateway} refuses the connection.", "No SSH server listens on this port."
    elif isinstance(error, paramiko.ChannelException):
        what, why = f"The gateway cannot reach {host.address}.", f"It says: {error.text}."
    else:
        what = f"No SSH connection to {place}{gateway}."
        why = f"{type(error).__name__}: {error}".rstrip(": ")
    return Unreachable(what, why=why, advice=f"Try it by hand: {command(hop)} true", host=host.name)


def _logging_in(hop: Any) -> bool:
    """Whether it got as far as trying keys: paramiko has no type for everything that goes wrong there."""
    transport = hop.client.get_transport()
    return transport is not None and bool(transport.initial_kex_done) and not transport.is_authenticated()


def _login(host: Host, hop: Any, access: Access, error: Exception, place: str) -> HostError:
    if access.key is not None and hop.connect_kwargs.get("allow_agent"):
        return HostError(
            f"The SSH key {access.key} needs its passphrase.",
            why="Nobody is asked for one, and the agent does not hold the key.",
            advice=shlex.join(["ssh-add", access.key]),
            host=host.name,
        )
    said = "" if isinstance(error, paramiko.AuthenticationException) else f" ({error})".replace(" ()", "")
    tried = ", ".join(_keys(hop)) or "there was no key"
    return HostError(
        f"The SSH server refuses {hop.user}@{place}.",
        why=f"None of the keys tried lets {hop.user} in: {tried}{said}.",
        advice=f"Put the public key into ~{hop.user}/.ssh/authorized_keys on the host: "
        + shlex.join(["ssh-copy-id", *_identity(access), *_port(hop), f"{hop.user}@{hop.host}"]),
        host=host.name,
    )


def _identity(access: Access) -> list[str]:
    return ["-i", access.key] if access.key is not None else []


def _keys(hop: Any) -> Iterator[str]:
    """What paramiko tries, in its order."""
    yield from hop.connect_kwargs.get("key_filename", ())
    if hop.connect_kwargs.get("allow_agent", True):
        agent = paramiko.Agent()
        for key in agent.get_keys():
            yield f"{key.get_name()} {fingerprint(key.get_base64())} of the agent"
        agent.close()
    if hop.connect_kwargs.get("look_for_keys", True):
        for kind in ("rsa", "ecdsa", "ed25519"):
            path = Path(f"~/.ssh/id_{kind}").expanduser()
            if path.is_file():
                yield str(path)
