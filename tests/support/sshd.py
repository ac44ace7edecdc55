"""What tests do to the sshd of a sandbox's host, and to the way there."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deploy.values.inventory import Host
from tests.support.sandbox import RunningSandbox


def restart_sshd(sandbox: RunningSandbox, host: Host) -> None:
    """Start the host's sshd again, which reads its configuration and keys; open connections stay."""
    before = sandbox.run(host, "cat /run/sshd.pid").strip()
    sandbox.run(host, f"kill {before}")
    wait_for_sshd(sandbox, host, not_pid=before)


def wait_for_sshd(sandbox: RunningSandbox, host: Host, *, not_pid: str = "") -> None:
    """Wait until another sshd than a given one greets."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pid = sandbox.run(host, "cat /run/sshd.pid 2> /dev/null || true").strip()
        if pid != not_pid and _greets(host):
            return
        time.sleep(0.1)
    raise AssertionError(f"no sshd on {host.name}")


def _greets(host: Host) -> bool:
    try:
        with socket.create_connection((host.address, host.port), timeout=1) as sock:
            return sock.recv(4) == b"SSH-"
    except OSError:
        return False


@contextmanager
def sshd_option(sandbox: RunningSandbox, host: Host, *lines: str) -> Iterator[None]:
    """The host's sshd with these lines before its others: the first of a keyword counts."""
    file = "/etc/ssh/sshd_config"
    sandbox.run(host, f"cp {file} {file}.kept")
    for line in reversed(lines):
        sandbox.run(host, f"sed -i '1i {line}' {file}")
    restart_sshd(sandbox, host)
    try:
        yield
    finally:
        sandbox.run(host, f"mv {file}.kept {file}")
        restart_sshd(sandbox, host)


@contextmanager
def other_host_key(sandbox: RunningSandbox, host: Host) -> Iterator[None]:
    """The host with another key than the one that is pinned."""
    key = "/etc/ssh/ssh_host_ed25519_key"
    sandbox.run(host, f"mv {key} {key}.kept")
    sandbox.run(host, f"ssh-keygen -q -t ed25519 -N '' -f {key}")
    restart_sshd(sandbox, host)
    try:
        yield
    finally:
        sandbox.run(host, f"rm {key}.pub && mv {key}.kept {key}")
        restart_sshd(sandbox, host)


def fingerprint_of(sandbox: RunningSandbox, host: Host) -> str:
    """The fingerprint of the host's key, by its own ssh-keygen."""
    return sandbox.run(host, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key").split()[1]


def cut_off(sandbox: RunningSandbox, host: Host) -> Callable[[], None]:
    """Drop everything between this machine and the host; gives what undoes it."""
    for chain, flag in (("INPUT", "--dport"), ("OUTPUT", "--sport")):
        sandbox.run(host, f"iptables -I {chain} -p tcp {flag} 22 -j DROP")

    def mend() -> None:
        for chain, flag in (("INPUT", "--dport"), ("OUTPUT", "--sport")):
            sandbox.run(host, f"iptables -D {chain} -p tcp {flag} 22 -j DROP")

    return mend
