"""The nginx that owns APP_PORT on a host: set up once, and told at each switch where to send."""

from deploy.rollout import nginx
from deploy.rollout.health import Unhealthy
from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.release import HealthCheck, network_name, proxy_name, replaced_proxy_name
from deploy.values.steps import StartProxy

NOWHERE = "none"
"""The alias before the first switch."""
NEXT = "/next"
"""Prefix of paths on WHO_PORT that lead to what the proxy is about to send to."""


def start(site: Site, step: StartProxy) -> None:
    """Create and start the proxy; one that it replaces is stopped and keeps another name until the commit."""
    nginx.start(
        site,
        nginx.Server(
            name=proxy_name(step.app),
            image=step.image,
            labels={labels.APP: step.app, labels.ROLE: "proxy", labels.PROXY: step.made_from},
            network=network_name(step.app),
            address=step.address,
            port=step.port,
            included=upstream(step.sends_to or NOWHERE, step.container_port),
            replaces=step.replaces,
            replaced_name=replaced_proxy_name(step.app),
        ),
    )


def bring_back(site: Site, step: StartProxy) -> None:
    """Remove a started proxy, and start the one again that it replaced, if that ran."""
    nginx.bring_back(site, proxy_name(step.app), step.replaces, start_again=step.resumes)


def revive(site: Site, app: str, replaced: str) -> None:
    """Give a replaced proxy its name and its place again, which must be free."""
    nginx.revive(site, proxy_name(app), replaced)


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
  listen {nginx.WHO_PORT};
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
    now = read_upstream(nginx.included(site, name))
    if now is None or now[0] in {NOWHERE, alias}:
        return
    nginx.use(site, name, upstream(*now, coming=(alias, port)))
    try:
        nginx.await_answer(site, name, nginx.WHO_PORT, NEXT, check)
    except Unhealthy:
        nginx.use(site, name, upstream(*now))
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
    if nginx.told(site.connection, nginx.inspect(site, name)) == alias:
        nginx.put(site, name, nginx.configuration(upstream(alias, port)))
        return  # it went no further than the file, if anywhere
    nginx.use(site, name, upstream(alias, port))
    nginx.await_in_use(site, name, alias)


def await_drained(site: Site, app: str, timeout: float) -> bool:
    """Wait until no request goes to what was sent to before; returns whether that came true in time."""
    return nginx.await_drained(site, proxy_name(app), timeout)


def await_through(site: Site, app: str, check: HealthCheck) -> None:
    """See the health check answered through the proxy, as a user would reach it.

    Raises:
        Unhealthy: it was not, in time.
    """
    nginx.await_answer(site, proxy_name(app), nginx.PORT, "", check)
