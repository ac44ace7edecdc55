"""Getting into a real host: only with its pinned key, only once, and never without an end."""

import inspect
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fabric
import paramiko
import pytest

from deploy.hosts import link, opening
from deploy.hosts.connection import connect
from deploy.hosts.engine import through
from deploy.hosts.lock import Owner, hold
from deploy.values.errors import HostError
from deploy.values.inventory import Access, Host
from tests.support.sandbox import RunningSandbox
from tests.support.sshd import cut_off, fingerprint_of, other_host_key, sshd_option


@pytest.fixture
def sandbox(running_sandbox: RunningSandbox) -> RunningSandbox:
    """Not made anew for each test: these put back what they change."""
    return running_sandbox


@pytest.fixture
def host(sandbox: RunningSandbox) -> Host:
    return sandbox.hosts[0]


def refusal(host: Host, access: Access) -> HostError:
    with pytest.raises(HostError) as caught:
        connect(host, access)
    assert caught.value.exit_code == 5
    assert caught.value.host == host.name
    return caught.value


class TestHostKeys:
    @pytest.mark.fault(3)
    @pytest.mark.security(5)
    def test_a_changed_key_is_refused_before_login(self, sandbox: RunningSandbox, host: Host) -> None:
        pinned = fingerprint_of(sandbox, host)
        with other_host_key(sandbox, host):
            shown = fingerprint_of(sandbox, host)
            error = refusal(host, sandbox.access)

        assert "has changed" in error.what
        assert pinned in error.why
        assert shown in error.why
        assert "sed -i" in error.advice
        assert f"ssh-keyscan -p {host.port} -t ed25519 127.0.0.1 >>" in error.advice

    @pytest.mark.fault(3)
    @pytest.mark.security(5)
    def test_an_unknown_key_is_refused_before_login(
        self, sandbox: RunningSandbox, host: Host, tmp_path: Path
    ) -> None:
        empty = tmp_path / "known_hosts"
        empty.write_text("")
        error = refusal(host, Access(key=sandbox.access.key, known_hosts=str(empty)))

        assert "not known" in error.what
        assert fingerprint_of(sandbox, host) in error.why
        assert f"-t ed25519 127.0.0.1 >> {empty}" in error.advice

    @pytest.mark.fault(3)
    @pytest.mark.security(5)
    @pytest.mark.parametrize("attempt", range(5))
    def test_another_machine_in_its_place_learns_nothing(
        self, sandbox: RunningSandbox, host: Host, tmp_path: Path, attempt: int
    ) -> None:
        with in_the_middle() as (port, tried):
            known = tmp_path / "known_hosts"
            line = Path(sandbox.access.known_hosts or "").read_text().splitlines()[0]
            known.write_text(f"[127.0.0.1]:{port} {line.split(' ', 1)[1]}\n")
            stranger = Host(name=host.name, address="127.0.0.1", port=port, user=host.user)
            error = refusal(stranger, Access(key=sandbox.access.key, known_hosts=str(known)))

        assert "has changed" in error.what
        assert tried == []

    @pytest.mark.security(5)
    def test_every_client_rejects_what_it_does_not_know(
        self, sandbox: RunningSandbox, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[Any] = []
        original = fabric.Connection.open

        def open_and_look(self: Any) -> Any:
            opened.append(self.client._policy)
            return original(self)

        monkeypatch.setattr(fabric.Connection, "open", open_and_look)
        with sandbox.connect(host):
            pass

        assert [type(policy) for policy in opened] == [opening.Pinned]
        assert issubclass(opening.Pinned, paramiko.RejectPolicy)
        assert opened[0].known.key_types("127.0.0.1", host.port) == ("ssh-ed25519",)


class TestLogin:
    @pytest.mark.fault(4)
    def test_a_revoked_key_is_tried_once(self, sandbox: RunningSandbox, host: Host) -> None:
        keys = "/home/deploy/.ssh/authorized_keys"
        with sshd_option(sandbox, host, "LogLevel VERBOSE"):
            sandbox.run(host, f"mv {keys} {keys}.kept; touch {keys}")
            before = connections_of(sandbox, host)
            try:
                error = refusal(host, sandbox.access)
                tried = connections_of(sandbox, host) - before
            finally:
                sandbox.run(host, f"mv {keys}.kept {keys}")

        assert f"{host.user}@127.0.0.1:{host.port}" in error.what
        assert str(sandbox.access.key) in error.why
        assert "authorized_keys" in error.advice
        assert tried == 1

    @pytest.mark.thorough
    @pytest.mark.fault(2)
    def test_a_host_that_drops_packets_is_given_up(self, sandbox: RunningSandbox, host: Host) -> None:
        mend = cut_off(sandbox, host)
        try:
            begun = time.monotonic()
            with pytest.raises(HostError, match="does not answer") as caught:
                connect(host, sandbox.access, timeout=2)
        finally:
            mend()

        assert caught.value.exit_code == 5
        assert time.monotonic() - begun < 12
        # With the time that a rollout gives it, for a connection and for a greeting that does not come.
        assert inspect.signature(connect).parameters["timeout"].default <= 14

    def test_a_port_that_accepts_and_says_nothing_is_given_up(self, sandbox: RunningSandbox) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            host = Host(name="mute", address="127.0.0.1", port=silent.getsockname()[1], user="deploy")
            begun = time.monotonic()
            with pytest.raises(HostError, match="does not answer as an SSH server"):
                connect(host, sandbox.access, timeout=2)

        assert time.monotonic() - begun < 12

    def test_a_key_that_needs_a_passphrase_is_told(
        self, sandbox: RunningSandbox, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        key = tmp_path / "locked"
        paramiko.ECDSAKey.generate().write_private_key_file(str(key), password="secret-4711")
        error = refusal(host, Access(key=str(key), known_hosts=sandbox.access.known_hosts))

        assert "needs its passphrase" in error.what
        assert error.advice == f"ssh-add {key}"

    def test_a_file_that_is_no_key_is_told(self, sandbox: RunningSandbox, host: Host) -> None:
        public = f"{sandbox.access.key}.pub"
        error = refusal(host, Access(key=public, known_hosts=sandbox.access.known_hosts))

        assert "not a private key" in error.why

    def test_an_ssh_config_that_cannot_be_used_is_told(
        self, sandbox: RunningSandbox, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh/config").write_text("what is this\n{}\n")
        monkeypatch.setenv("HOME", str(tmp_path))

        assert "SSH configuration" in refusal(host, sandbox.access).what

    def test_a_missing_key_is_told_before_anything_is_sent(self, sandbox: RunningSandbox, host: Host) -> None:
        error = refusal(host, Access(key="/nowhere/key", known_hosts=sandbox.access.known_hosts))

        assert "/nowhere/key cannot be read" in error.what


class TestTheConnection:
    def test_a_script_is_run_with_its_input_and_arguments(self, sandbox: RunningSandbox, host: Host) -> None:
        with sandbox.connect(host) as connection:
            done = connection.run(
                'printf "%s|" "$@"; cat; echo no >&2; exit 3', args=["a b", "$(x)", "'"], stdin="in\n"
            )
            listed = connection.run(["printf", "%s", "it's $HOME"])

        assert (done.code, done.out, done.err) == (3, "a b|$(x)|'|in\n", "no\n")
        assert listed.out == "it's $HOME"

    @pytest.mark.security(8)
    def test_neither_script_nor_input_is_in_the_hosts_process_list(
        self, sandbox: RunningSandbox, host: Host
    ) -> None:
        with sandbox.connect(host) as connection:
            listed = connection.run("secret=in-script-4711; ps -eo args", stdin="in-stdin-4711").out

        assert "sshd" in listed
        assert "4711" not in listed

    def test_a_shell_that_greets_is_not_taken_for_the_script(
        self, sandbox: RunningSandbox, host: Host
    ) -> None:
        file = "/home/deploy/.bashrc"
        sandbox.run(host, f"cp -p {file} {file}.kept && sed -i '1i echo Welcome!' {file}")
        try:
            with sandbox.connect(host) as connection:
                assert connection.run("echo hello").out == "hello\n"
                with hold(connection, "greeted", Owner(who="a", where="b", release="c", since="d")):
                    pass
                with pytest.raises(HostError) as caught:
                    through(connection)
        finally:
            sandbox.run(host, f"mv {file}.kept {file}")

        assert "~/.bashrc) prints text: 'Welcome!'" in caught.value.why

    def test_a_missing_command_is_not_a_missing_bash(self, sandbox: RunningSandbox, host: Host) -> None:
        with sandbox.connect(host) as connection:
            done = connection.run("nowhere-to-be-found")

        assert done.code == 127
        assert "nowhere-to-be-found: command not found" in done.err

    def test_a_command_that_hangs_is_given_up(self, sandbox: RunningSandbox, host: Host) -> None:
        with sandbox.connect(host) as connection:
            with pytest.raises(HostError, match="within 1 seconds"):
                connection.run("sleep 30", timeout=1)
            assert connection.run("echo still there").out == "still there\n"

    def test_much_output_on_both_sides_arrives(self, sandbox: RunningSandbox, host: Host) -> None:
        with sandbox.connect(host) as connection:
            done = connection.run("head -c 1000000 /dev/zero >&2; head -c 5000000 /dev/zero")

        assert (len(done.out), len(done.err)) == (5000000, 1000000)

    @pytest.mark.security(6)
    def test_the_terrapin_attack_has_no_hold(self, sandbox: RunningSandbox, host: Host) -> None:
        version = tuple(int(part) for part in paramiko.__version__.split(".")[:2])
        with sandbox.connect(host) as connection:
            transport: Any = connection._transport
            server = transport.remote_version.partition("OpenSSH_")[2].partition("p")[0]
            assert transport.agreed_on_strict_kex

        assert version >= (3, 4)
        assert tuple(int(part) for part in server.split(".")) >= (9, 6)

    @pytest.mark.security(7)
    def test_no_agent_is_forwarded_though_ssh_config_asks_for_it(
        self,
        sandbox: RunningSandbox,
        host: Host,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with an_agent(tmp_path) as agent:
            (tmp_path / ".ssh").mkdir()
            (tmp_path / ".ssh/config").write_text("Host *\n  ForwardAgent yes\n")
            monkeypatch.setenv("HOME", str(tmp_path))
            monkeypatch.setenv("SSH_AUTH_SOCK", agent)
            with sandbox.connect(host) as connection:
                seen = connection.run("env; ls -d /tmp/ssh-* 2> /dev/null").out
                assert "SSH_AUTH_SOCK" not in sandbox.run(host, "cat /proc/[0-9]*/environ | tr '\\0' '\\n'")

        assert "SSH_CONNECTION" in seen
        assert "SSH_AUTH_SOCK" not in seen
        assert "/tmp/ssh-" not in seen

    def test_a_forwarded_port_tells_refused_from_forbidden(self, sandbox: RunningSandbox, host: Host) -> None:
        with sandbox.connect(host) as connection:
            assert connection.open_direct("127.0.0.1", 22).recv(4) == b"SSH-"
            with pytest.raises(ConnectionRefusedError):
                connection.open_direct("127.0.0.1", 1)
        with sshd_option(sandbox, host, "AllowTcpForwarding no"), sandbox.connect(host) as connection:
            with pytest.raises(HostError) as caught:
                connection.open_direct("127.0.0.1", 22)
            assert connection.run("echo still there").out == "still there\n"

        assert "AllowTcpForwarding" in caught.value.why
        assert "AllowTcpForwarding local" in caught.value.advice

    def test_a_link_that_is_cut_is_noticed(
        self, sandbox: RunningSandbox, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert link.GIVE_UP_AFTER <= 15
        monkeypatch.setattr(link, "ASK_AFTER", 1)
        monkeypatch.setattr(link, "GIVE_UP_AFTER", 3)
        with sandbox.connect(host) as connection:
            time.sleep(4)
            assert connection.alive(), "silence alone is no cut"
            mend = cut_off(sandbox, host)
            try:
                begun = time.monotonic()
                with pytest.raises(HostError, match="broke"):
                    connection.run("true", timeout=60)
                assert time.monotonic() - begun < 12
            finally:
                mend()


class TestGateways:
    """ssh_config's ProxyJump: the way to the second host leads through the first."""

    @pytest.fixture
    def way(
        self, sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[Host, Path]:
        gateway, inner = sandbox.hosts
        address = sandbox.run(inner, "hostname -i").split()[0]
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh/config").write_text(
            f"Host gate\n  HostName {gateway.address}\n  Port {gateway.port}\n  User {gateway.user}\n"
            f"Host inner\n  HostName {address}\n  User {inner.user}\n  ProxyJump gate\n"
        )
        monkeypatch.setenv("HOME", str(tmp_path))
        pins = Path(sandbox.access.known_hosts or "").read_text().splitlines()
        of_inner = next(line for line in pins if f":{inner.port} " in line)
        known = tmp_path / "known_hosts"
        known.write_text("\n".join([*pins, f"{address} {of_inner.split(' ', 1)[1]}", ""]))
        return Host(name="inner", address="inner"), known

    def test_the_host_behind_is_reached(self, sandbox: RunningSandbox, way: tuple[Host, Path]) -> None:
        host, known = way
        with connect(host, Access(key=sandbox.access.key, known_hosts=str(known))) as connection:
            name = connection.run("hostname").out
            assert connection.alive()

        assert name == sandbox.run(sandbox.hosts[1], "hostname")

    @pytest.mark.fault(3)
    @pytest.mark.security(5)
    def test_its_own_key_must_be_pinned_too(self, sandbox: RunningSandbox, way: tuple[Host, Path]) -> None:
        host, known = way
        known.write_text("\n".join(known.read_text().splitlines()[:-1]) + "\n")
        error = refusal(host, Access(key=sandbox.access.key, known_hosts=str(known)))

        assert fingerprint_of(sandbox, sandbox.hosts[1]) in error.why
        assert "ssh -p" in error.advice  # Scanned from the gateway.

    @pytest.mark.fault(3)
    @pytest.mark.security(5)
    def test_so_must_the_gateways(self, sandbox: RunningSandbox, way: tuple[Host, Path]) -> None:
        host, known = way
        known.write_text(known.read_text().splitlines()[-1] + "\n")
        error = refusal(host, Access(key=sandbox.access.key, known_hosts=str(known)))

        assert fingerprint_of(sandbox, sandbox.hosts[0]) in error.why

    @pytest.mark.fault(4)
    def test_a_login_that_the_inner_host_refuses_names_it(
        self, sandbox: RunningSandbox, way: tuple[Host, Path]
    ) -> None:
        host, known = way
        inner = Host(name="inner", address=host.address, user="nobody")
        error = refusal(inner, Access(key=sandbox.access.key, known_hosts=str(known)))

        assert "refuses nobody@" in error.what
        assert "gateway" not in error.what


def connections_of(sandbox: RunningSandbox, host: Host) -> int:
    """How many connections the host's sshd has logged."""
    container = sandbox.client.containers.get(sandbox.sandbox.container(host.name))
    return int(container.logs().decode(errors="replace").count("Connection from "))


class _Listening(paramiko.ServerInterface):
    def __init__(self, tried: list[str]) -> None:
        self._tried = tried

    def check_auth_none(self, username: str) -> int:
        self._tried.append(username)
        return 0

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._tried.append(username)
        return 0

    def get_allowed_auths(self, username: str) -> str:
        self._tried.append(username)
        return "publickey,password"


@contextmanager
def in_the_middle() -> Iterator[tuple[int, list[str]]]:
    """An SSH server with a key of its own that would let anybody in; its port, and who tried to log in."""
    tried: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            sock, _ = server.accept()
            transport = paramiko.Transport(sock)
            transport.add_server_key(paramiko.ECDSAKey.generate())
            transport.add_server_key(paramiko.RSAKey.generate(2048))
            try:
                transport.start_server(event=threading.Event(), server=_Listening(tried))
                done.wait(20)
            finally:
                transport.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], tried
        done.set()
        thread.join(20)


@contextmanager
def an_agent(directory: Path) -> Iterator[str]:
    """The address of something that could be an agent."""
    path = str(directory / "agent")
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(path)
        agent.listen()
        yield path


def test_what_is_sent_does_not_wait_for_more(sandbox: RunningSandbox) -> None:
    """Else each call waits 40 ms for the acknowledgement of the one before."""
    with sandbox.connect(sandbox.hosts[0]) as connection:
        sock: Any = connection._transport.sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_input_that_a_command_does_not_wait_for_is_no_failure(sandbox: RunningSandbox) -> None:
    with sandbox.connect(sandbox.hosts[0]) as connection:
        for _ in range(20):
            result = connection.run("exec echo done", stdin="x" * 100_000)
            assert (result.code, result.out) == (0, "done\n")
