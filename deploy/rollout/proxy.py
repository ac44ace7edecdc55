"""The nginx that owns APP_PORT on a host: set up once, and told at each switch where to send."""

import hashlib
import io
import re
import tarfile
from pathlib import Path

from docker.errors import APIError, NotFound

from deploy.hosts.connection import Connection
from deploy.rollout import http, inside
from deploy.rollout.containers import LOGS, exists, set_restart_policy
from deploy.rollout.health import Deadline, Inspect, Unhealthy, container_address, log_tail
from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.addresses import Published, parse_published
from deploy.values.errors import Failure, HostError
from deploy.values.release import HealthCheck, network_name, proxy_name, replaced_proxy_name
from deploy.values.steps import StartProxy

CONFIGURATION = Path(__file__).parents[2] / "docker" / "proxy" / "nginx.conf"
PORT = 8080
WHO_PORT = 8081
"""Answers, inside the network only, with the alias that the running workers send to."""
SWITCH_TIMEOUT = 15.0
STOP_TIMEOUT = 5
NOWHERE = "none"
"""The alias before the first switch."""
OLDEST_NGINX = (1, 27, 4)
"""`resolve` in upstreams since 1.27.3, `keepalive_min_timeout` since 1.27.4; see the configuration."""
NEXT = "/next"
"""Prefix of paths on WHO_PORT that lead to what the proxy is about to send to."""
RELOAD = """
before=$(grep -ls 'nginx: worker process' /proc/[0-9]*/cmdline)
nginx -s reload || exit
for turn in $(seq 150); do
  grep -Ls 'shutting down' $before /dev/null | grep -q cmdline || exit 0
  sleep 0.1
done
"""
"""Ends when no worker of before takes connections any more: for 100 ms and longer after a reload, old ones
do as well as new ones, and do not call themselves shutting down. Their command lines are read inside the
proxy, since `docker top` needs a `ps` on the host."""
WORKERS = "cat /proc/[0-9]*/cmdline 2>/dev/null"
MASTER = "nginx: master"
"""Whose command line is among them as long as nginx runs."""


def start(site: Site, step: StartProxy) -> None:
    """Create and start the proxy; one that it replaces is stopped and keeps another name until the commit."""
    name = proxy_name(step.app)
    if step.replaces:
        set_restart_policy(site, step.replaces, "no")
        site.api.stop(step.replaces, timeout=STOP_TIMEOUT)
        _rename(site, step.replaces, replaced_proxy_name(step.app))
    _create(site, name, step)
    _put(site, name, configuration(step.sends_to or NOWHERE, step.container_port))
    site.api.start(name)
    _refuse_old(site, name, touched=bool(step.replaces))


def _refuse_old(site: Site, name: str, *, touched: bool) -> None:
    """See which nginx it is that has started: not every image says so.

    Args:
        touched: whether another proxy was stopped for it.

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


def _create(site: Site, name: str, step: StartProxy) -> None:
    network = network_name(step.app)
    site.api.create_container(
        image=step.image,
        name=name,
        entrypoint=["nginx"],
        command=["-g", "daemon off;"],
        labels={labels.APP: step.app, labels.ROLE: "proxy", labels.PROXY: step.made_from},
        ports=[PORT],
        host_config=site.api.create_host_config(
            port_bindings={PORT: (step.address, step.port) if step.address else step.port},
            restart_policy={"Name": "unless-stopped"},
            network_mode=network,
            log_config=LOGS,
        ),
        networking_config=site.api.create_networking_config({network: site.api.create_endpoint_config()}),
    )


def bring_back(site: Site, step: StartProxy) -> None:
    """Remove a started proxy, and start the one again that it replaced."""
    there = exists(site, proxy_name(step.app))
    if there and there["Id"] != step.replaces:
        site.api.remove_container(proxy_name(step.app), force=True, v=True)
    if step.replaces:
        revive(site, step.app, step.replaces)


def revive(site: Site, app: str, replaced: str) -> None:
    """Give a replaced proxy its name and its place again, which must be free."""
    _rename(site, replaced, proxy_name(app))
    set_restart_policy(site, replaced, "unless-stopped")
    site.api.start(replaced)


def _rename(site: Site, container: str, name: str) -> None:
    """Name a container, unless it has that name: the engine refuses the same again."""
    if site.api.inspect_container(container)["Name"].lstrip("/") != name:
        site.api.rename(container, name)


def made_from(image: str, published: Published) -> str:
    """What a proxy is made from, for its label."""
    configuration = hashlib.sha256(CONFIGURATION.read_bytes()).hexdigest()[:12]
    return f"{image} {published} {configuration}"


def configuration(alias: str, port: int, coming: tuple[str, int] | None = None) -> dict[str, str]:
    """The proxy's files; all of them at each switch, so that what somebody changed by hand is put right."""
    return {"nginx.conf": CONFIGURATION.read_text(), "jarship/upstream.conf": upstream(alias, port, coming)}


def read_made_from(label: str) -> tuple[str, Published]:
    """The image and the published port that a proxy's label tells of.

    Raises:
        ValueError: it was not written by this program.
    """
    image, published, _ = label.split(" ")
    return image, parse_published(published)


def upstream(alias: str, port: int, coming: tuple[str, int] | None = None) -> str:
    """The part of the configuration that changes with a switch.

    The alias is resolved by Docker's own DNS, again and again: a container's address moves when the host
    restarts (`resolve` in open-source nginx since 1.27.3). After a reload, nginx answers 502 until a name is
    resolved that the configuration before did not have. So what is `coming` (alias and port) is told one
    reload ahead: a zone takes over what the zone of its name knew in the configuration before.
    """
    blocks = [_block(alias, port), *([_block(*coming)] if coming else [])]
    ahead = f"  location {NEXT}/ {{ proxy_pass http://{coming[0]}/; }}\n" if coming else ""
    return f"""# {alias} {port}
{"".join(blocks)}map $host $application {{ default {alias}; }}
server {{
  listen {WHO_PORT};
  default_type text/plain;
{ahead}  location / {{ return 200 {alias}; }}
}}
"""


def _block(alias: str, port: int) -> str:
    """One upstream, whose connections are used once.

    From 1.29.7 on nginx would keep them, though told by each request to close them, and lose the request that
    meets an application just closing one.
    """
    known = alias != NOWHERE
    server = f"server {alias}:{port} resolve max_fails=0" if known else "server unix:/run/nowhere.sock"
    return f"""upstream {alias} {{
  zone {alias} 64k;
  keepalive_requests 1;
  resolver 127.0.0.11 valid=1s ipv6=off;
  {server};
}}
"""


def introduce(site: Site, app: str, alias: str, port: int, check: HealthCheck) -> None:
    """Tell nginx of a container that it will send to, and see it reached; users go where they went before.

    Without that, requests right after the switch would meet a name that is not resolved yet.

    Raises:
        Failure: nginx refuses its configuration (the one before is put back), or is not running.
        Unhealthy: nginx does not reach the container; the configuration before is in use.
    """
    name = proxy_name(app)
    now = read_upstream(_get(site, name, "jarship/upstream.conf"))
    if now is None or now[0] in {NOWHERE, alias}:
        return
    _use(site, name, now, coming=(alias, port))
    try:
        _await_answer(site, app, WHO_PORT, NEXT, check)
    except Unhealthy:
        _use(site, name, now)
        raise


def read_upstream(text: str) -> tuple[str, int] | None:
    """The alias and the port that a configuration sends to; None when it does not say."""
    words = text.partition("\n")[0].split()
    return (words[1], int(words[2])) if len(words) == 3 and words[2].isdecimal() else None


def switch(site: Site, app: str, alias: str, port: int) -> None:
    """Send to a container by its alias; what is configured is tested before it is used.

    Raises:
        Failure: nginx refuses its configuration (the one before is put back), or is not running.
        Unhealthy: the new configuration was not in use in time.
    """
    name = proxy_name(app)
    if alias_of(site.connection, inspect(site, name)) == alias:
        _put(site, name, configuration(alias, port))
        return  # it went no further than the file, if anywhere
    _use(site, name, (alias, port))
    _await_in_use(site, name, alias)


def _use(site: Site, name: str, sends_to: tuple[str, int], coming: tuple[str, int] | None = None) -> None:
    before = _get(site, name, "jarship/upstream.conf")
    _put(site, name, configuration(*sends_to, coming=coming))
    code, said = inside.run(site, name, ["nginx", "-t"])
    if code:
        _put(site, name, {"jarship/upstream.conf": before})
        raise Failure(
            "The proxy refuses its configuration; the one before is in use.",
            why=f"nginx -t: {' '.join(said.split())}",
            advice=f"Mend what was changed in {name} by hand, or remove that container: "
            "the next deploy sets it up again.",
            host=site.host.name,
            step="switch",
        )
    # Not by a signal from the engine: `docker kill`, of any signal, marks a container as stopped by hand, and
    # it would neither survive a crash nor come back after a reboot.
    inside.run(site, name, ["sh", "-c", RELOAD])


def _await_in_use(site: Site, name: str, alias: str) -> None:
    deadline = Deadline(SWITCH_TIMEOUT)
    while (now := alias_of(site.connection, inspect(site, name))) != alias:
        if deadline.left <= 0:
            raise Unhealthy(
                f"The proxy did not take up its new configuration within {SWITCH_TIMEOUT:g} s.",
                why=f"it sends to {now or 'nothing'}, not to {alias}",
                host=site.host.name,
                step="switch",
                details=log_tail(site, name),
            )
        site.pause(0.05)


def await_drained(site: Site, app: str, timeout: float) -> bool:
    """Wait until no worker of an earlier configuration is left; returns whether that came true in time.

    Old workers serve their clients' next request through the old upstream, so that the container behind it
    may stop only when they are gone. Their command line says that they are shutting down; it is read inside
    the proxy, since `docker top` needs a `ps` on the host.
    """
    deadline = Deadline(timeout)
    name = proxy_name(app)
    while True:
        said = inside.read(site, name, ["sh", "-c", WORKERS], sign=MASTER)
        if MASTER in said and "shutting down" not in said:
            return True
        if deadline.left <= 0:
            return False
        site.pause(0.1)


def await_through(site: Site, app: str, check: HealthCheck) -> None:
    """See the health check answered through the proxy, as a user would reach it.

    Raises:
        Unhealthy: it was not, in time.
    """
    _await_answer(site, app, PORT, "", check)


def _await_answer(site: Site, app: str, port: int, prefix: str, check: HealthCheck) -> None:
    deadline = Deadline(SWITCH_TIMEOUT)
    last = ""
    address = container_address(inspect(site, proxy_name(app)))
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
        why=f"GET {check.path} through {proxy_name(app)}: {last}",
        host=site.host.name,
        step="switch",
        details=log_tail(site, proxy_name(app)),
    )


def inspect(site: Site, name: str) -> Inspect:
    """Inspect the proxy's container.

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


def alias_of(connection: Connection, seen: Inspect) -> str:
    """The alias that the proxy's running workers send to; empty when it does not answer."""
    address = container_address(seen)
    if not address:
        return ""
    try:
        return http.get(connection, address, WHO_PORT, "/", timeout=3).body
    except OSError:
        return ""


def _put(site: Site, name: str, files: dict[str, str]) -> None:
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
