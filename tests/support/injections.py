"""What tests do to a host while something is deployed there; each puts back what it changed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from deploy.values.inventory import Host
from tests.support.sandbox import RunningSandbox
from tests.support.slow_link import slow_link
from tests.support.sshd import cut_off, wait_for_sshd

AGAIN = 60.0
"""Seconds that an engine has to answer again."""


@contextmanager
def stopped(sandbox: RunningSandbox, host: Host) -> Iterator[None]:
    """A host without power."""
    container = sandbox.client.containers.get(sandbox.sandbox.container(host.name))
    container.stop(timeout=0)
    try:
        yield
    finally:
        container.start()
        wait_for_sshd(sandbox, host)
        await_engine(sandbox, host)


@contextmanager
def cut(sandbox: RunningSandbox, host: Host) -> Iterator[None]:
    """A host whose SSH packets are dropped, both ways."""
    mend = cut_off(sandbox, host)
    try:
        yield
    finally:
        mend()


@contextmanager
def engine_down(sandbox: RunningSandbox, host: Host) -> Iterator[None]:
    """A host whose Docker Engine has died."""
    hold_engine(sandbox, host, "-9")
    try:
        yield
    finally:
        let_engine(sandbox, host)


def hold_engine(sandbox: RunningSandbox, host: Host, signal: str = "-TERM") -> None:
    """End an engine, which is not started again."""
    sandbox.run(host, "touch /run/hold/dockerd")
    end_engine(sandbox, host, signal)


def end_engine(sandbox: RunningSandbox, host: Host, signal: str = "-TERM") -> None:
    """End an engine, which the host starts again a second later."""
    sandbox.run(host, f"pid=$(pidof dockerd); kill {signal} $pid; while kill -0 $pid; do sleep 0.1; done")


def let_engine(sandbox: RunningSandbox, host: Host) -> None:
    """Have an engine again that was held."""
    sandbox.run(host, "rm -f /run/hold/dockerd")
    await_engine(sandbox, host)


def await_engine(sandbox: RunningSandbox, host: Host) -> None:
    """Wait until a host's engine answers."""
    deadline = time.monotonic() + AGAIN
    while "yes" not in sandbox.run(host, "docker version > /dev/null 2>&1 && echo yes", check=False):
        assert time.monotonic() < deadline, f"no engine on {host.name}"
        time.sleep(0.2)


@contextmanager
def poor_network(sandbox: RunningSandbox, host: Host) -> Iterator[Host]:
    """A host behind 300 ms of delay, 5 of 100 packets lost each way; gives it as it is reached then.

    The kernel's own means for that (`tc netem`) is not everywhere: packets are dropped by iptables, and what
    SSH brings back is delayed on its way.
    """
    known = sandbox.sandbox.known_hosts
    before = known.read_text()
    lose = "-i eth0 -m statistic --mode random --probability 0.05 -j DROP"
    with slow_link(host.port, 0.3) as port:
        known.write_text(before + before.replace(f":{host.port} ", f":{port} "))
        sandbox.run(host, f"iptables -I INPUT {lose}; iptables -I OUTPUT {lose.replace('-i', '-o', 1)}")
        try:
            yield replace(host, port=port)
        finally:
            sandbox.run(host, f"iptables -D INPUT {lose}; iptables -D OUTPUT {lose.replace('-i', '-o', 1)}")
            known.write_text(before)


@contextmanager
def small_disk(sandbox: RunningSandbox, host: Host, options: str) -> Iterator[None]:
    """A host whose Docker Engine has a new, small disk, as `mount -t tmpfs -o OPTIONS` makes it."""
    hold_engine(sandbox, host)
    sandbox.run(host, f"mount -t tmpfs -o {options} tmpfs /var/lib/docker")
    let_engine(sandbox, host)
    try:
        yield
    finally:
        hold_engine(sandbox, host)
        sandbox.run(host, "umount -l /var/lib/docker")
        let_engine(sandbox, host)


@contextmanager
def limited_memory(sandbox: RunningSandbox, host: Host, limit: str) -> Iterator[None]:
    """A host that has this much memory."""
    outer = sandbox.client.containers.get(sandbox.sandbox.container(host.name))
    outer.update(mem_limit=limit, memswap_limit=limit)
    try:
        yield
    finally:
        outer.update(mem_limit=1 << 45, memswap_limit=1 << 45)
