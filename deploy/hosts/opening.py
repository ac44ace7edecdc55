"""Open a Fabric connection with pinned host keys, a fast socket and bounded waits, gateways included."""

import contextlib
import functools
import shlex
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fabric
import paramiko

from deploy.hosts import known_hosts, refusals
from deploy.hosts.known_hosts import KnownHosts
from deploy.hosts.link import ASK_AFTER, GIVE_UP_AFTER, Link
from deploy.values.errors import HostError
from deploy.values.inventory import Access, Host

CHANNEL_TIMEOUT = 10
"""Seconds for a gateway to reach the next hop."""
SYSTEM_FILES = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
USER_FILES = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")


class Pinned(paramiko.RejectPolicy):
    """Refuses every host key that the known_hosts files do not hold for this host.

    The client's own table stays empty, so that paramiko asks this policy about each key.
    """

    def __init__(self, place: refusals.Place, known: KnownHosts) -> None:
        self.place = place
        self.known = known

    def missing_host_key(  # type: ignore[override]  # it returns when the key is pinned
        self, _client: paramiko.SSHClient, _hostname: str, key: paramiko.PKey
    ) -> None:
        """Raise HostError, before anything is sent to log in, unless the key is pinned."""
        verdict = self.known.judge(self.place.name, self.place.port, key.get_base64())
        if verdict.answer != "pinned":
            raise refusals.host_key(self.place, key.get_name(), key.get_base64(), verdict)


class Transport(paramiko.Transport):
    """One whose channels meet the end of a link when they read, whenever it ended."""

    def _send_user_message(self, data: paramiko.Message) -> None:
        # paramiko sends nothing on a link that has ended, without a word, and raises EOFError out of whatever
        # sends, be it to close a channel, on one that ends at that very moment.
        with contextlib.suppress(EOFError):
            super()._send_user_message(data)  # type: ignore[misc]


def open_fabric(host: Host, access: Access, timeout: float, *, policy: type[Pinned] = Pinned) -> Any:
    """Open a `fabric.Connection`; raises HostError.

    `policy` judges the key of the host itself; a gateway's must be pinned whatever it is.
    """
    connection = _configured(host, access, timeout)
    hops = list(_hops(connection))
    for hop in hops:
        _pin(hop, host, access, policy if hop is connection else Pinned)
    try:
        if not hops[-1].gateway:
            hops[-1].connect_kwargs["sock"] = _dial(hops[-1].host, hops[-1].port, timeout)
        connection.open()
    except (paramiko.SSHException, OSError, EOFError, HostError) as error:
        failed = next((hop for hop in reversed(hops) if not hop.is_connected), connection)
        told = refusals.opening(host, failed, access, error, via=failed is not connection)
        close(connection)
        raise told from error
    except BaseException:
        close(connection)
        raise
    return connection


def way(connection: Any) -> list[Any]:
    """A Fabric connection and the gateways that it goes through, the nearest to the host first."""
    return list(_hops(connection))


def close(connection: Any) -> None:
    """Close a Fabric connection and its gateways."""
    for hop in _hops(connection):
        dialled = hop.connect_kwargs.get("sock")
        if isinstance(dialled, socket.socket):
            # Wakes paramiko's reading thread, which close() waits for and which looks up once in 0.1 s.
            with contextlib.suppress(OSError):
                dialled.shutdown(socket.SHUT_RDWR)
        hop.client.close()
        if isinstance(dialled, socket.socket):
            dialled.close()


def _configured(host: Host, access: Access, timeout: float) -> Any:
    options: dict[str, object] = {
        "banner_timeout": timeout,
        "auth_timeout": timeout,
        "channel_timeout": CHANNEL_TIMEOUT,
        # A key that is named is the one to use, not one of many: sshd counts each as a failure.
        "allow_agent": access.key is None or _encrypted(host, access.key),
        "look_for_keys": access.key is None,
    }
    if access.key is not None:
        options["key_filename"] = [str(Path(access.key).expanduser())]
    try:
        return fabric.Connection(
            host.address,
            user=host.user,
            port=None if host.port == known_hosts.DEFAULT_PORT else host.port,
            config=fabric.Config(overrides={"connect_kwargs": options, "forward_agent": False}),
            connect_timeout=max(1, int(timeout)),
            forward_agent=False,
        )
    except (paramiko.SSHException, ValueError, KeyError, OSError) as error:
        raise HostError(
            "The SSH configuration cannot be used.",
            why=f"{type(error).__name__}: {error}",
            advice=f"Check ~/.ssh/config and /etc/ssh/ssh_config: ssh -G {shlex.quote(host.address)}",
            host=host.name,
        ) from error


def _encrypted(host: Host, key: str) -> bool:
    """Whether a private key needs a passphrase, and so the agent; raises HostError when it is not one."""
    path = Path(key).expanduser()
    try:
        paramiko.PKey.from_path(str(path))
    except TypeError:  # So the cryptography library says that it needs a passphrase.
        return True
    except (paramiko.SSHException, OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "It is not a private key that SSH can use."
        raise HostError(
            f"The SSH key {key} cannot be read.",
            why=str(why),
            advice="Set SSH_KEY to the private key of the deploy user, or leave it out to use the agent's.",
            host=host.name,
        ) from error
    return False


def _hops(connection: Any) -> Iterator[Any]:
    """The connection, then the gateway it goes through, then that one's."""
    while connection is not None and not isinstance(connection, str):
        yield connection
        connection = connection.gateway or None


def _pin(hop: Any, host: Host, access: Access, policy: type[Pinned]) -> None:
    # A plain dictionary: Fabric's own writes every change through all levels of its configuration.
    hop.connect_kwargs = dict(hop.connect_kwargs)
    alias = hop.ssh_config.get("hostkeyalias")
    # An alias stands for the port too.
    name, port = (alias, known_hosts.DEFAULT_PORT) if alias else (hop.host, hop.port)
    files = _files(hop, access)
    known = KnownHosts(entry for file in files for entry in _entries(file))
    place = refusals.Place(host=host, name=name, port=port, files=tuple(files), hop=hop)
    hop.client.set_missing_host_key_policy(policy(place, known))
    hop.forward_agent = False
    hop.connect_kwargs["transport_factory"] = functools.partial(
        _transport, key_types=known.key_types(name, port)
    )


def _files(hop: Any, access: Access) -> list[str]:
    if access.known_hosts is not None:
        return [str(Path(access.known_hosts).expanduser())]
    user = hop.ssh_config.get("userknownhostsfile", " ".join(USER_FILES)).split()
    system = hop.ssh_config.get("globalknownhostsfile", " ".join(SYSTEM_FILES)).split()
    return [str(Path(file).expanduser()) for file in (*user, *system)]


def _entries(file: str) -> tuple[known_hosts.Entry, ...]:
    try:
        text = Path(file).read_text(errors="replace")
    except OSError:
        return ()  # No file, no pinned keys: the refusal names the files that were looked into.
    return known_hosts.parse(text, file)


def _transport(
    sock: Any, *, key_types: Sequence[str], disabled_algorithms: dict[str, list[str]] | None = None
) -> paramiko.Transport:
    carrier: Any = Link(sock)
    transport = Transport(carrier, disabled_algorithms=disabled_algorithms)
    options = transport.get_security_options()
    wanted = {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in key_types else set()
    wanted |= set(key_types)
    # The server picks the first type that it has: a key that is not pinned must not come before one that is.
    options.key_types = tuple(sorted(options.key_types, key=lambda key_type: key_type not in wanted))
    return transport


def _dial(address: str, port: int, timeout: float) -> socket.socket:
    """Connect to the first address that answers, all of them within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    addresses = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    failed: OSError | None = None
    for left, (family, kind, protocol, _, target) in zip(
        range(len(addresses), 0, -1), addresses, strict=True
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(0.1, (deadline - time.monotonic()) / left))
            sock.connect(target)
            _tune(sock)
        except OSError as error:
            sock.close()
            failed = error
            continue
        except BaseException:
            sock.close()
            raise
        return sock
    raise failed or OSError(f"no address for {address}")


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # The kernel's own watch, also over what is sent and waits for room in the buffer.
    for option, value in (
        ("TCP_USER_TIMEOUT", int(GIVE_UP_AFTER * 1000)),
        ("TCP_KEEPIDLE", int(ASK_AFTER)),
        ("TCP_KEEPALIVE", int(ASK_AFTER)),  # the same on macOS
        ("TCP_KEEPINTVL", int(ASK_AFTER)),
        ("TCP_KEEPCNT", int(GIVE_UP_AFTER // ASK_AFTER)),
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
