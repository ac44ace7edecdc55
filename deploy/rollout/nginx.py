"""An nginx of ours in a container: made once, told again and again what to do, without losing a request."""

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docker.errors import APIError, NotFound

from deploy.hosts.connection import Connection
from deploy.rollout import http, inside
from deploy.rollout.containers import LOGS, exists, set_restart_policy
from deploy.rollout.health import Deadline, Inspect, Unhealthy, container_address, log_tail
from deploy.rollout.site import Site
from deploy.values.addresses import Published, parse_published
from deploy.values.errors import Failure, HostError
from deploy.values.release import HealthCheck

CONFIGURATION = Path(__file__).parents[2] / "docker" / "proxy" / "nginx.conf"
INCLUDED = "jarship/upstream.conf"
"""The part of the configuration that changes."""
PORT = 8080
WHO_PORT = 8081
"""Answers, inside the network only, with what the running workers send to."""
TOLD_BYTES = 8000
"""How much of that answer is read."""
SWITCH_TIMEOUT = 15.0
STOP_TIMEOUT = 5
OLDEST_NGINX = (1, 27, 4)
"""`resolve` in upstreams since 1.27.3, `keepalive_min_timeout` since 1.27.4; see the configuration."""
REFUSED = 90
"""Exit code that says that nginx refuses its configuration."""
RELOAD = f"""
nginx -t || exit {REFUSED}
before=$(grep -ls 'nginx: worker process' /proc/[0-9]*/cmdline)
nginx -s reload || exit
for turn in $(seq 150); do
  grep -Ls 'shutting down' $before /dev/null | grep -q cmdline || exit 0
  sleep 0.1
done
"""
"""Tests the configuration and uses it, in one go: each command in a container costs a tenth of a second.

Ends when no worker of before takes connections any more: for 100 ms and longer after a reload, old ones do as
well as new ones, and do not call themselves shutting down. Their command lines are read inside the container,
since `docker top` needs a `ps` on the host."""
WORKERS = "cat /proc/[0-9]*/cmdline 2>/dev/null"
MASTER = "nginx: master"
"""Whose command line is among them as long as nginx runs."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """What an nginx of ours is made of."""

    name: str
    """Of its container."""
    image: str
    labels: Mapping[str, str]
    network: str
    address: str
    """Address of the host to bind the port on; empty for all."""
    port: int
    included: str
    """The part of the configuration that changes, as it is at first."""
    replaces: str = ""
    """The container of the one before."""
    replaced_name: str = ""
    """The name that it keeps, stopped, until the commit."""


def start(site: Site, server: Server) -> None:
    """Create and start one; what it replaces is stopped and keeps another name until the commit."""
    if server.replaces:
        set_restart_policy(site, server.replaces, "no")
        site.api.stop(server.replaces, timeout=STOP_TIMEOUT)
        _rename(site, server.replaces, server.replaced_name)
    _create(site, server)
    put(site, server.name, configuration(server.included))
    site.api.start(server.name)
    refuse_old(site, server.name, touched=bool(server.replaces))


def refuse_old(site: Site, name: str, *, touched: bool) -> None:
    """See which nginx it is that has started: not every image says so.

    Args:
        site: where.
        name: of the container.
        touched: whether another one was stopped for it.

    Raises:
        Failure: it is too old, or does not run; an older one stops at directives that it does not know.
            A HostError when no service was touched.
    """
    try:
        said = inside.read(site, name, ["nginx", "-v"], sign="nginx/")
    except APIError as error:
        said = f"it does not stay up: {error.explanation}"
    version = nginx_version(said.partition("nginx/")[2])
    if version and version >= OLDEST_NGINX:
        return
    least = ".".join(map(str, OLDEST_NGINX))
    kind = Failure if touched else HostError
    raise kind(
        f"PROXY_IMAGE must be nginx {least} or newer.",
        why=f"nginx -v: {' '.join(said.split())}",
        advice="Name a newer one, such as PROXY_IMAGE=nginx:1.30, then run `invoke push`.",
        host=site.host.name,
        step="proxy",
        details=log_tail(site, name),
    )


def nginx_version(text: str) -> tuple[int, ...] | None:
    """The version that a text begins with, such as `1.30.1`; None when it is none."""
    match = re.match(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, match[0].split("."))) if match else None


def _create(site: Site, server: Server) -> None:
    network = server.network
    site.api.create_container(
        image=server.image,
        name=server.name,
        entrypoint=["nginx"],
        command=["-g", "daemon off;"],
        labels=dict(server.labels),
        ports=[PORT],
        host_config=site.api.create_host_config(
            port_bindings={PORT: (server.address, server.port) if server.address else server.port},
            restart_policy={"Name": "unless-stopped"},
            network_mode=network,
            log_config=LOGS,
        ),
        networking_config=site.api.create_networking_config({network: site.api.create_endpoint_config()}),
    )


def bring_back(site: Site, name: str, replaced: str, *, start_again: bool = True) -> None:
    """Remove a started one, and start the container again that it replaced; empty when it replaced none.

    Where it was found stopped for another, who has its port again, it only gets its name back.
    """
    there = exists(site, name)
    if there and there["Id"] != replaced:
        site.api.remove_container(name, force=True, v=True)
    if replaced and start_again:
        revive(site, name, replaced)
    elif replaced:
        _rename(site, replaced, name)


def revive(site: Site, name: str, replaced: str) -> None:
    """Give a replaced one its name and its place again, which must be free."""
    _rename(site, replaced, name)
    set_restart_policy(site, replaced, "unless-stopped")
    site.api.start(replaced)


def _rename(site: Site, container: str, name: str) -> None:
    """Name a container, unless it has that name: the engine refuses the same again."""
    if site.api.inspect_container(container)["Name"].lstrip("/") != name:
        site.api.rename(container, name)


def made_from(image: str, published: Published) -> str:
    """What one is made from, for its label."""
    configuration = hashlib.sha256(CONFIGURATION.read_bytes()).hexdigest()[:12]
    return f"{image} {published} {configuration}"


def read_made_from(label: str) -> tuple[str, Published]:
    """The image and the published port that such a label tells of.

    Raises:
        ValueError: it was not written by this program.
    """
    image, published, _ = label.split(" ")
    return image, parse_published(published)


def configuration(included: str) -> dict[str, str]:
    """All files, at each change: what somebody changed by hand is put right."""
    return {"nginx.conf": CONFIGURATION.read_text(), INCLUDED: included}


def included(site: Site, name: str) -> str:
    """The part that changes, as its file has it."""
    return _get(site, name, INCLUDED)


def use(site: Site, name: str, text: str) -> None:
    """Put another part that changes in use, once nginx says that it is right.

    Raises:
        Failure: nginx refuses its configuration (the one before is put back), or is not running.
    """
    before = included(site, name)
    put(site, name, configuration(text))
    # Not by a signal from the engine: `docker kill`, of any signal, marks a container as stopped by hand, and
    # it would neither survive a crash nor come back after a reboot.
    code, said = inside.run(site, name, ["sh", "-c", RELOAD])
    if code == REFUSED:
        put(site, name, {INCLUDED: before})
        raise Failure(
            "The proxy refuses its configuration; the one before is in use.",
            why=f"nginx -t: {' '.join(said.split())}",
            advice=f"Mend what was changed in {name} by hand, or remove that container: "
            "the next deploy sets it up again.",
            host=site.host.name,
            step="switch",
        )


def await_in_use(site: Site, name: str, wanted: str) -> None:
    """Wait until the running workers say that they send to what is wanted.

    Raises:
        Unhealthy: they did not, in time.
    """
    deadline = Deadline(SWITCH_TIMEOUT)
    while (now := told(site.connection, inspect(site, name))) != wanted:
        if deadline.left <= 0:
            raise Unhealthy(
                f"The proxy did not take up its new configuration within {SWITCH_TIMEOUT:g} s.",
                why=f"it sends to {now or 'nothing'}, not to {wanted}",
                host=site.host.name,
                step="switch",
                details=log_tail(site, name),
            )
        site.pause(0.05)


def await_drained(site: Site, name: str, timeout: float) -> bool:
    """Wait until no worker of an earlier configuration is left; returns whether that came true in time.

    Old workers serve their clients' next request through the old upstream, so that what is behind it may stop
    only when they are gone. Their command line says that they are shutting down; it is read inside the
    container, since `docker top` needs a `ps` on the host.
    """
    deadline = Deadline(timeout)
    while True:
        said = inside.read(site, name, ["sh", "-c", WORKERS], sign=MASTER)
        if MASTER in said and "shutting down" not in said:
            return True
        if deadline.left <= 0:
            return False
        site.pause(0.1)


def await_answer(site: Site, name: str, port: int, prefix: str, check: HealthCheck) -> None:
    """See the health check answered through an nginx.

    Args:
        site: where it is.
        name: of its container.
        port: PORT, or WHO_PORT for what users do not reach.
        prefix: of the path.
        check: what to ask, and what counts.

    Raises:
        Unhealthy: it was not, in time.
    """
    deadline = Deadline(SWITCH_TIMEOUT)
    last = ""
    address = container_address(inspect(site, name))
    while deadline.left > 0:
        try:
            answer = http.get(site.connection, address, port, prefix + check.path, timeout=5)
        except OSError as error:
            last = str(error)
        else:
            if check.accepts(answer.status):
                return
            last = str(answer)
        site.pause(0.1)
    raise Unhealthy(
        "The application is healthy, but does not answer through the proxy.",
        why=f"GET {check.path} through {name}: {last}",
        host=site.host.name,
        step="switch",
        details=log_tail(site, name),
    )


def inspect(site: Site, name: str) -> Inspect:
    """Inspect its container.

    Raises:
        Failure: it is gone.
    """
    try:
        seen: Inspect = site.api.inspect_container(name)
    except NotFound:
        raise Failure(
            f"The proxy {name} is gone.", advice="Run `invoke deploy` again.", host=site.host.name
        ) from None
    return seen


def told(connection: Connection, seen: Inspect) -> str:
    """What the running workers say that they send to; empty when they do not answer."""
    address = container_address(seen)
    if not address:
        return ""
    try:
        return http.get(connection, address, WHO_PORT, "/", timeout=3, most=TOLD_BYTES).body
    except OSError:
        return ""


def put(site: Site, name: str, files: Mapping[str, str]) -> None:
    """Write files into /etc/nginx."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("jarship")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    site.api.put_archive(name, "/etc/nginx", buffer.getvalue())


def _get(site: Site, name: str, path: str) -> str:
    chunks, _ = site.api.get_archive(name, f"/etc/nginx/{path}")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        return member.read().decode() if member else ""
