"""One SSH connection a host: everything that a rollout does there goes through it.

Fabric opens it, so that the user's ssh_config counts (user, port, identity, ProxyJump). What Fabric and
paramiko leave open is closed in `opening`: unknown and changed host keys are refused on every hop, every wait
has an end, and the socket sends at once.
"""

import logging
import re
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import paramiko

from deploy.hosts import opening, refusals
from deploy.hosts.channel import ChannelSocket
from deploy.hosts.link import GIVE_UP_AFTER, Watch
from deploy.hosts.tunnel import Tunnel, refused
from deploy.values.errors import HostError
from deploy.values.inventory import Access, Host

# Without a handler Python prints paramiko's warnings on stderr, one for each refused channel.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

SESSIONS_NEEDED = 3
"""The lock's and two for the Engine API."""
ADMINISTRATIVELY_PROHIBITED = 1
"""SSH_OPEN_ADMINISTRATIVELY_PROHIBITED of RFC 4254, section 5.1."""
MOST_OUTPUT = 8 << 20
"""Bytes of a script's output that are kept; more than that is a defect of the script."""

# Reads the script up to its NUL and runs it; what follows on stdin is the script's own. So neither a script
# nor its input is ever in argv, which every user of the host can read. `read` reads nothing ahead on a pipe.
_BASH = """bash -c 'IFS= read -r -d "" script; eval "$script"'"""

# What comes before it is not the script's: some users' ~/.bashrc greets even where nobody is.
_MARK = "\x1e"
_BEGIN_OUTPUT = r"printf '\036'"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a script left behind."""

    code: int
    """Exit code; -1 when a signal killed it."""
    out: str
    err: str


class Connection:
    """An open connection to a host."""

    def __init__(self, host: Host, fabric: Any) -> None:
        self.host = host
        self._fabric = fabric
        self._transport: paramiko.Transport = fabric.transport
        self._watch = Watch(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def user(self) -> str:
        """The user it logged in as."""
        return str(self._fabric.user)

    def alive(self) -> bool:
        """Whether the link is up as far as this side knows; a cut is noticed within 16 seconds."""
        return self._transport.is_active()

    def close(self) -> None:
        """End the connection and everything that runs in its channels."""
        self._watch.stop()
        opening.close(self._fabric)

    def run(
        self, script: str | Sequence[str], *, args: Sequence[str] = (), stdin: str = "", timeout: float = 30
    ) -> Result:
        """Run a bash script, or one command given as a sequence, and wait for its end.

        Args:
            script: handed over on stdin, so it may hold a secret; its commands' own arguments may not.
            args: the script's `$1` and so on.
            stdin: what the script reads.
            timeout: seconds for all of it.

        Raises:
            HostError: the link broke, bash is missing, or the time was over.
        """
        text = script if isinstance(script, str) else shlex.join(script)
        channel = self.open_script(f"{_BEGIN_OUTPUT}\n{text}", args=args, timeout=timeout)
        try:
            return self._finish(channel, stdin.encode(), time.monotonic() + timeout, timeout)
        finally:
            channel.close()

    def open_script(self, script: str, *, args: Sequence[str] = (), timeout: float = 10) -> paramiko.Channel:
        """Start a bash script in a session of its own; the channel is its stdin, stdout and stderr."""
        text = f"set -- {shlex.join(args)}\n{script}" if args else script
        if "\0" in text:
            raise ValueError("a script holds no NUL")
        channel = self.open_session(_BASH, timeout=timeout)
        try:
            self._feed(channel, text.encode() + b"\0")
        except OSError as error:
            channel.close()
            raise self.broken(error) from error
        return channel

    def open_session(self, command: str, *, timeout: float = 10) -> paramiko.Channel:
        """Run a command in a session channel of its own, and give the channel.

        Raises:
            HostError: the server refused; a refusal names MaxSessions and what is needed.
        """
        channel = self._open("session", timeout, None)
        try:
            channel.settimeout(timeout)
            channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            channel.close()
            raise self.broken(error) from error
        return channel

    def open_direct(self, address: str, port: int, *, timeout: float = 10) -> paramiko.Channel:
        """Open a TCP connection from the host to an address that it reaches, such as a container's.

        Raises:
            ConnectionRefusedError: nothing accepts there (yet), or the host does not reach the address.
            TimeoutError: nothing came back from the address in time.
            HostError: the server forbids forwarding, or the link broke.
        """
        return self._open("direct-tcpip", timeout, (address, port))

    def listen(self, port: int, serve: Callable[[ChannelSocket], None], *, key: str) -> Tunnel:
        """Have the host listen on a port of its loopback, and serve here what connects to it.

        Args:
            port: on the host.
            serve: called with each connection, in a thread of its own.
            key: the setting that names the port, for a refusal.

        Raises:
            HostError: the port is taken, the server forbids it, or the link broke.
        """
        try:
            return Tunnel(self._transport, port, serve)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if not self.alive():
                raise self.broken(error) from error
            raise refused(self.host.name, self.user, port, key, taken=self._answers(port)) from error

    def _answers(self, port: int) -> bool:
        """Whether something listens on a port of the host's loopback."""
        try:
            self.open_direct("127.0.0.1", port, timeout=5).close()
        except (OSError, HostError):
            return False
        return True

    def broken(self, cause: object = "") -> HostError:
        """The error that says this link is gone, or misbehaves."""
        reason = str(cause or self._transport.get_exception() or "")
        if self.alive():
            what, why = "The SSH connection failed.", reason
        else:
            what = "The SSH connection broke."
            why = f"The host closed it, or was silent for {GIVE_UP_AFTER:g} s. {reason}"
        return HostError(
            what,
            why=why.strip(),
            advice=f"Check that the host is up and reachable: {refusals.command(self._fabric)} true",
            host=self.host.name,
        )

    def _open(self, kind: str, timeout: float, address: tuple[str, int] | None) -> paramiko.Channel:
        # sshd counts a session until it has cleaned up after it, so a slot may be free a moment later only.
        for pause in (0.05, 0.2, None) if kind == "session" else (None,):
            try:
                return self._transport.open_channel(kind, address, ("127.0.0.1", 0), timeout=timeout)
            except paramiko.ChannelException as error:
                if pause is None:
                    raise self._refused(kind, error, address) from error
                time.sleep(pause)
            except (paramiko.SSHException, OSError, EOFError) as error:
                if address and self.alive():
                    raise TimeoutError(f"{_text(address)} does not answer {self.host.name}") from error
                raise self.broken(error) from error
        raise AssertionError("the last pause is None")

    def _refused(
        self, kind: str, error: paramiko.ChannelException, address: tuple[str, int] | None
    ) -> Exception:
        if kind == "session":
            return HostError(
                "The SSH server refuses another session on this connection.",
                why=f"MaxSessions in its sshd_config is below the {SESSIONS_NEEDED} that are needed at "
                f"a time; the server says: {error.text}.",
                advice=f"Set `MaxSessions {SESSIONS_NEEDED}` or more (the default is 10) in "
                "/etc/ssh/sshd_config, then: sudo systemctl reload ssh",
                host=self.host.name,
            )
        if error.code == ADMINISTRATIVELY_PROHIBITED:
            return HostError(
                "The SSH server forbids TCP forwarding, through which health checks reach the container.",
                why="AllowTcpForwarding, DisableForwarding or PermitOpen in its sshd_config, or `restrict` "
                f"before the key in authorized_keys; the server says: {error.text}.",
                advice=f"Write in /etc/ssh/sshd_config `Match User {self.user}` and below it "
                "`AllowTcpForwarding local`, then: sudo systemctl reload ssh",
                host=self.host.name,
            )
        return ConnectionRefusedError(f"{self.host.name} reaches nothing at {_text(address)}")

    def _finish(self, channel: paramiko.Channel, stdin: bytes, deadline: float, timeout: float) -> Result:
        try:
            self._feed(channel, stdin)
            channel.shutdown_write()
            # Both share a window of 2 MB, so stderr may wait until stdout has ended.
            out = self._drain(channel, deadline, errors=False)
            err = self._drain(channel, deadline, errors=True)
        except TimeoutError as error:
            raise HostError(
                f"The host did not finish a command within {timeout:g} seconds.",
                why="It may be overloaded: its load and memory tell.",
                advice=f"{refusals.command(self._fabric)} 'uptime; free -m'",
                host=self.host.name,
            ) from error
        except OSError as error:
            raise self.broken(error) from error
        channel.status_event.wait(max(0.0, deadline - time.monotonic()))
        if not self.alive():
            raise self.broken()
        result = Result(code=channel.exit_status, out=out.partition(_MARK)[2], err=err)
        if result.code == 127 and lacks_bash(err):
            raise self.no_bash(err)
        return result

    def _feed(self, channel: paramiko.Channel, data: bytes) -> None:
        """Send to a command, which may have ended without reading: its output and exit code tell of that.

        Raises:
            OSError: the link broke; a TimeoutError when the command does not read.
        """
        try:
            channel.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            if not self.alive():
                raise

    def no_bash(self, err: str) -> HostError:
        """The error for a host without bash."""
        return HostError(
            "bash is missing on the host.",
            why=err.strip(),
            advice="sudo apt-get install bash",
            host=self.host.name,
        )

    @staticmethod
    def _drain(channel: paramiko.Channel, deadline: float, *, errors: bool) -> str:
        parts: list[bytes] = []
        size = 0
        while True:
            channel.settimeout(max(0.01, deadline - time.monotonic()))
            part = channel.recv_stderr(65536) if errors else channel.recv(65536)
            if not part:
                return b"".join(parts).decode(errors="replace")
            size += len(part)
            if size <= MOST_OUTPUT:
                parts.append(part)


def lacks_bash(err: str) -> bool:
    """Whether the login shell says that there is no bash, rather than bash that there is no command."""
    return bool(
        re.search(r"\bbash: (command )?not found|[Uu]nknown command:? .?bash|bash: No such file", err)
    )


def _text(address: tuple[str, int] | None) -> str:
    return "{}:{}".format(*address) if address else "?"


def connect(host: Host, access: Access, *, timeout: float = 10) -> Connection:
    """Connect to a host, with one attempt.

    Args:
        host: where; a user of None leaves the choice to ssh_config, then to the local user's name.
        access: the key and the known_hosts file.
        timeout: seconds for each of TCP connection, key exchange and authentication.

    Raises:
        HostError: unreachable, host key unknown or changed, or login refused; with the command that helps.
    """
    return Connection(host, opening.open_fabric(host, access, timeout))
