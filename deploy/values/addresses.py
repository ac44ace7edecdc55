"""Addresses as settings write them: ports, registries, hosts."""

import ipaddress
import re
from dataclasses import dataclass, replace

from deploy.values.inventory import Host

_PORT = re.compile(r"[1-9][0-9]{0,4}")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_HOST_FORM = "use user@host:port"
_REGISTRY_FORM = "use host:port, no scheme"


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where a host offers a port: on one of its addresses, or on all of them."""

    port: int
    address: str | None = None
    """An IP address of the host; None means all."""

    def __str__(self) -> str:
        return f"{_bracketed(self.address)}:{self.port}" if self.address else str(self.port)


class WrongEntries(ValueError):
    """Entries of a list are wrong: `entries` holds each one's position, from 1, and what is wrong with it."""

    def __init__(self, entries: tuple[tuple[int, str], ...]) -> None:
        super().__init__("; ".join(f"[{position}]: {what}" for position, what in entries))
        self.entries = entries


def parse_port(text: str) -> int:
    """A TCP port in ASCII digits.

    Raises:
        ValueError: no port, or one out of range.
    """
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError("use a port 1–65535")  # noqa: RUF001
    return int(text)


def parse_published(text: str) -> Published:
    """`[ADDRESS:]PORT`, ADDRESS being an IP address, in brackets when it is IPv6.

    Raises:
        ValueError: the address or the port is wrong.
    """
    address, colon, port = text.rpartition(":")
    if not colon:
        return Published(port=parse_port(text))
    return Published(address=_ip_address(address), port=parse_port(port))


def _ip_address(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        raise ValueError("use PORT or ADDRESS:PORT, as 8080 or 127.0.0.1:8080") from None
    if (address.version == 6) != (bare != text) or "%" in bare:
        raise ValueError("write an IPv6 address in brackets, as [::1]:8080")
    return str(address)


def parse_registry(text: str) -> str:
    """`host[:port]` of a registry, or the word `sandbox`.

    Raises:
        ValueError: there is a scheme or a path, or no such address.
    """
    return text if text == "sandbox" else parse_registry_address(text)


def parse_registry_address(text: str) -> str:
    """As `parse_registry`, without the sandbox.

    Raises:
        ValueError: there is a scheme or a path, or no such address.
    """
    if "/" in text or "@" in text:
        raise ValueError(f"{_REGISTRY_FORM}; a path belongs in IMAGE")
    host, port = _split_port(text, _REGISTRY_FORM)
    if not _is_host(host):
        raise ValueError(f"invalid host, {_REGISTRY_FORM}")
    if port is not None:
        parse_port(port)
    elif "." not in host:
        # Docker takes a first component without dot or port for a namespace of Docker Hub.
        raise ValueError(_REGISTRY_FORM)
    return text


def parse_hosts(text: str) -> tuple[Host, ...]:
    """The hosts of a comma separated list of `[user@]host[:port][=ADDRESS]`; none for the word `sandbox`.

    Raises:
        WrongEntries: for every wrong entry at once.
    """
    return () if text == "sandbox" else parse_host_list(text)


def parse_host_list(text: str) -> tuple[Host, ...]:
    """As `parse_hosts`, without the sandbox.

    Raises:
        WrongEntries: for every wrong entry at once.
    """
    hosts: list[Host] = []
    wrong: list[tuple[int, str]] = []
    for position, entry in enumerate(text.split(","), start=1):
        try:
            host = parse_host(entry.strip())
            if any(same_host(host, other) for other in hosts):
                raise ValueError("listed twice")
            hosts.append(host)
        except ValueError as error:
            wrong.append((position, str(error)))
    if wrong:
        raise WrongEntries(tuple(wrong))
    return tuple(hosts)


def same_host(one: Host, other: Host) -> bool:
    """Whether both name one SSH server, whatever the user; case does not matter in host names."""
    return (one.address.lower(), one.port) == (other.address.lower(), other.port)


def parse_host(text: str) -> Host:
    """One `[user@]host[:port][=ADDRESS]`; IPv6 addresses in brackets, as `[::1]:22`.

    Raises:
        ValueError: which part is wrong, and what to write.
    """
    if not text:
        raise ValueError("empty entry, write a host or remove the comma")
    if text == "sandbox":
        raise ValueError("sandbox means the embedded hosts, and stands alone in HOSTS")
    if text.startswith("-"):
        raise ValueError("invalid host, it must not begin with -")
    if "://" in text:
        raise ValueError(f"{_HOST_FORM}, no scheme")
    login, equals, reached_at = text.partition("=")
    user, at, place = login.rpartition("@")
    if at and not _USER.fullmatch(user):
        raise ValueError(f"invalid user, {_HOST_FORM}")
    address, port = _split_port(place, _HOST_FORM)
    if not address:
        raise ValueError(_HOST_FORM)
    if not _is_host(address):
        raise ValueError(f"invalid host, {_HOST_FORM}")
    number = 22 if port is None else parse_port(port)
    return Host(
        name=_shown(address, number),
        address=address,
        port=number,
        user=user or None,
        reached_at=_reached_at(reached_at) if equals else None,
    )


def _reached_at(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not _is_host(bare):
        raise ValueError("invalid ADDRESS after =, write a host name or an IP address without port")
    return bare


def _split_port(text: str, form: str) -> tuple[str, str | None]:
    """Host and port of `host`, `host:port`, `[v6]`, `[v6]:port`; an address comes back without brackets."""
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in inner or (rest and not rest.startswith(":")) or rest == ":":
            raise ValueError(f"{form}, an IPv6 address as [::1]:22")
        return inner, rest[1:] or None
    if text.count(":") > 1:
        raise ValueError(f"ambiguous, write {_in_brackets(text)}")
    host, colon, port = text.partition(":")
    if colon and (not port or not host):
        raise ValueError(form)
    return host, port if colon else None


def _in_brackets(text: str) -> str:
    """What somebody meant by an IPv6 address without brackets, with or without a port."""
    head, _, tail = text.rpartition(":")
    if _is_ipv6(head) and _PORT.fullmatch(tail) and (tail == "22" or not _is_ipv6(text)):
        return f"[{head}]:{tail}"
    return f"[{text}]:22" if _is_ipv6(text) else "[::1]:22 for an IPv6 address"


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6 and "%" not in text
    except ValueError:
        return False


def _is_host(text: str) -> bool:
    if ":" in text:
        return _is_ipv6(text)
    if re.fullmatch(r"[0-9.]+", text):  # digits and dots only: an IPv4 address or nothing
        try:
            return bool(ipaddress.IPv4Address(text))
        except ValueError:
            return False
    return bool(_NAME.fullmatch(text)) and ".." not in text


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _shown(address: str, port: int) -> str:
    return address if port == 22 else f"{_bracketed(address)}:{port}"


def format_host(host: Host) -> str:
    """The entry that reads as this host."""
    user = f"{host.user}@" if host.user else ""
    port = "" if host.port == 22 else f":{host.port}"
    reached_at = f"={host.reached_at}" if host.reached_at else ""
    return f"{user}{_bracketed(host.address)}{port}{reached_at}"


def with_url(host: Host, published: Published) -> Host:
    """The host with the address under which its application answers."""
    address = host.reached_at or host.address
    if not host.reached_at and published.address and ipaddress.ip_address(published.address).is_loopback:
        address = published.address  # answers on the host itself only
    port = "" if published.port == 80 else f":{published.port}"
    return replace(host, url=f"http://{_bracketed(address)}{port}")
