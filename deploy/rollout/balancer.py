"""The nginx that balances over hosts: what it sends to is changed without losing a request."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress

from deploy.rollout import http, nginx
from deploy.rollout.containers import exists
from deploy.rollout.health import Deadline, Unhealthy
from deploy.rollout.site import Site
from deploy.values import labels
from deploy.values.balancing import (
    NOBODY,
    Balancer,
    PutBack,
    SetMembers,
    StartBalancer,
    TakeOut,
    balancer_name,
    replaced_balancer_name,
)
from deploy.values.errors import Failure
from deploy.values.release import HealthCheck, network_name

REACH_TIMEOUT = 15.0
"""Seconds for a host that serves to be reached from a balancer."""
ROLE = "balancer"

_TURN = threading.Lock()
"""Hosts of one batch change the same balancers: one at a time, each from what the one before left."""


def look(site: Site, app: str) -> Balancer:
    """What balances on a host."""
    names = (balancer_name(app), replaced_balancer_name(app))
    there = [seen for name in names if (seen := exists(site, name)) and _is_ours(seen, app)]
    # A new one that does not run may lack its configuration; the replaced one is as it was.
    counts = next((seen for seen in there if seen["State"]["Running"]), there[-1] if there else None)
    if counts is None:
        return Balancer(host=site.host.name)
    runs = bool(counts["State"]["Running"])
    said = nginx.told(site.connection, counts) if runs else ""
    return Balancer(
        host=site.host.name,
        container=counts["Id"],
        made_from=counts["Config"]["Labels"].get(labels.PROXY, ""),
        running=runs and counts["Name"].lstrip("/") == names[0] and bool(said),
        members=_members(said or _written(nginx.included(site, counts["Id"]))),
        leftovers=tuple((s["Id"], s["Name"].lstrip("/")) for s in there if s is not counts),
    )


def _is_ours(seen: dict[str, object], app: str) -> bool:
    told = seen["Config"]["Labels"] or {}  # type: ignore[index]
    return bool(told.get(labels.APP) == app and told.get(labels.ROLE) == ROLE)


def _members(said: str) -> tuple[str, ...]:
    return tuple(member for member in said.split() if member != NOBODY)


def upstream(members: Sequence[str]) -> str:
    """The part of the configuration that changes.

    A host that fails is left alone for ten seconds (`max_fails`), and no request is sent to a second one.
    """
    said = " ".join(members) or NOBODY
    servers = [f"server {member} max_fails=1 fail_timeout=10s;" for member in members]
    inner = "\n  ".join(servers or ["server unix:/run/nowhere.sock;"])
    return f"""# {said}
upstream hosts {{
  zone hosts 64k;
  keepalive_requests 1;
  {inner}
}}
map $host $application {{ default hosts; }}
server {{
  listen {nginx.WHO_PORT};
  default_type text/plain;
  location / {{ return 200 "{said}"; }}
}}
"""


def start(step: StartBalancer, site: Site) -> None:
    """Create and start a balancer; the one before is stopped and keeps another name until the commit."""
    app = step.app
    server = nginx.Server(
        name=balancer_name(app),
        image=step.image,
        labels={labels.APP: app, labels.ROLE: ROLE, labels.PROXY: step.made_from},
        network=network_name(app),
        address=step.address,
        port=step.port,
        included=upstream(step.members),
        replaces=step.replaces,
        replaced_name=replaced_balancer_name(app),
    )
    nginx.start(site, server)
    nginx.await_in_use(site, server.name, " ".join(step.members) or NOBODY)


def bring_back(step: StartBalancer, site: Site) -> None:
    """Remove a started balancer, and start the one again that it replaced."""
    nginx.bring_back(site, balancer_name(step.app), step.replaces)


def set_members(step: SetMembers, site: Site) -> None:
    """Let a balancer send to these alone."""
    _use(site, step.app, step.members)


def set_as_before(step: SetMembers, site: Site) -> None:
    """Let it send to what it sent to before."""
    _use(site, step.app, step.was)


def take_out(step: TakeOut, site: Site) -> None:
    """Let the balancers send nothing more to a host, and wait until what they have sent there has ended.

    Raises:
        Failure: it is the last that serves.
    """
    for each in _chosen(site, step.balancers):
        _without(each, step.app, step.member, guarded=step.health is not None)
    for each in _chosen(site, step.balancers):
        if not nginx.await_drained(each, balancer_name(step.app), step.timeout):
            site.stream.warning(
                f"Connections through {each.host.name} are still open after {step.timeout:g} s; they are cut "
                "when this host's release stops.",
                step=step.name,
                host=site.host.name,
            )


def undo_take_out(step: TakeOut, site: Site) -> None:
    """Put a host back that was taken out, once it is reached, or as it is when it is not in time."""
    for each in _chosen(site, step.balancers):
        if step.health:
            with suppress(Unhealthy):
                _await_reach(each, step.member, step.health)
        _with(each, step.app, step.member)


def put_back(step: PutBack, site: Site) -> None:
    """Put a host back, or in for the first time, once the balancers reach it.

    Raises:
        Unhealthy: one does not.
    """
    for each in _chosen(site, step.balancers):
        _await_reach(each, step.member, step.health)
        _with(each, step.app, step.member)


def undo_put_back(step: PutBack, site: Site) -> None:
    """Take a host out again, so that its way back loses no request, unless it is the only one."""
    for each in _chosen(site, step.balancers):
        if set(_now(each, step.app)) - {step.member}:
            _without(each, step.app, step.member, guarded=False)
            nginx.await_drained(each, balancer_name(step.app), step.timeout)


def refuse_changed(site: Site, app: str, before: Balancer) -> None:
    """See that a balancer is as it was before a rollout that has gone back.

    Raises:
        Failure: it is not.
    """
    now = look(site, app)
    if (now.container, set(now.members)) != (before.container, set(before.members)):
        raise Failure(
            f"The balancer on {site.host.name} is not as it was.",
            why=f"it sends to {', '.join(now.members) or 'nobody'}, not to "
            f"{', '.join(before.members) or 'nobody'}",
            host=site.host.name,
        )


def _chosen(site: Site, names: Sequence[str]) -> Iterator[Site]:
    return (each for each in site.balancers if each.host.name in names)


def _now(site: Site, app: str) -> tuple[str, ...]:
    """What the running workers send to; what is written, when they do not say."""
    name = balancer_name(app)
    said = nginx.told(site.connection, nginx.inspect(site, name))
    return _members(said or _written(nginx.included(site, name)))


def _written(text: str) -> str:
    return text.partition("\n")[0].lstrip("# ")


def _without(site: Site, app: str, member: str, *, guarded: bool) -> None:
    with _TURN:
        now = _now(site, app)
        left = tuple(each for each in now if each != member)
        if guarded and not left:
            raise Failure(
                f"{member} is the last host that {site.host.name} sends to: it is not taken out.",
                advice="Bring another host into service first: `invoke repair`.",
                host=site.host.name,
            )
        if left != now:
            with _announced(site, f"without {member}"):
                _use(site, app, left)


def _with(site: Site, app: str, member: str) -> None:
    with _TURN:
        now = _now(site, app)
        with _announced(site, f"with {member}"):
            _use(site, app, now if member in now else (*now, member))


def _announced(site: Site, text: str) -> AbstractContextManager[None]:
    """A change of a balancer for the sake of another host, which belongs into the balancer's account too."""
    name, phase = SetMembers.name, SetMembers.phase
    return site.stream.step(name, text, host=site.host.name, phase=phase)


def _use(site: Site, app: str, members: Sequence[str]) -> None:
    """Send to these, unless the running workers say that they do."""
    name, said = balancer_name(app), " ".join(members) or NOBODY
    if nginx.told(site.connection, nginx.inspect(site, name)) == said:
        nginx.put(site, name, nginx.configuration(upstream(members)))
        return
    site.check_lock()
    nginx.use(site, name, upstream(members))
    nginx.await_in_use(site, name, said)


def _await_reach(site: Site, member: str, check: HealthCheck) -> None:
    address, _, port = member.rpartition(":")
    deadline = Deadline(REACH_TIMEOUT)
    last = ""
    while True:
        try:
            answer = http.get(site.connection, address.strip("[]"), int(port), check.path, timeout=5)
        except OSError as error:
            last = str(error)
        else:
            if check.accepts(answer.status):
                return
            last = str(answer)
        if deadline.left <= 0:
            raise Unhealthy(
                f"The balancer {site.host.name} does not reach {member}.",
                why=f"GET {check.path}: {last}",
                advice="Write where balancers reach the host behind it: HOSTS=user@host=ADDRESS.",
                host=site.host.name,
                step="put-back",
            )
        site.pause(0.2)
