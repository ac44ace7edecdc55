"""A plan for people: what would change, host by host."""

from collections.abc import Iterator

from deploy.values.planned import Change, Planned, PlannedHost
from deploy.values.steps import short

SIGNS = {"added": "+", "removed": "-", "changed": "~"}
WIDTH = 16


def plan_text(planned: Planned) -> str:
    """The whole plan, the hosts in their order."""
    return "\n".join(_lines(planned))


def _lines(planned: Planned) -> Iterator[str]:
    release = planned.release
    yield f"{planned.app} {release.tag} to profile {planned.profile}: {short(release.image)}"
    if release.commit:
        yield f"commit {release.commit[:7]} by {release.author}: {release.subject}"
    if not planned.changes:
        yield from (f"{host.host} runs it already: {host.address}" for host in planned.hosts)
        yield "Nothing to do."
        return
    yield f"order: {', then '.join(' + '.join(batch) for batch in planned.order)}"
    for host in planned.hosts:
        yield ""
        yield from _host(host)
    for balancer in planned.balancers:
        yield ""
        yield f"{balancer.host}: balancer over {', '.join(balancer.members) or 'nobody yet'}"
        yield from (_fact("step", step) for step in balancer.steps)
    yield ""
    yield f"Changes pending on {len(planned.hosts)} {'host' if len(planned.hosts) == 1 else 'hosts'}."


def _host(host: PlannedHost) -> Iterator[str]:
    yield f"{host.host}: {host.strategy} ({host.why})"
    yield from (f"  {_change(change)}" for change in host.changes)
    if not host.changes:
        yield "  = nothing differs here; it is replaced as the others are"
    pull = host.pull
    yield _fact(
        "pull",
        f"about {_bytes(pull.bytes)}, {pull.layers} of {pull.whole_layers} layers "
        f"(all of them: {_bytes(pull.whole_bytes)})",
    )
    if heap := host.heap:
        yield _fact("Java heap", f"at most {heap.bytes / 2**20:.0f} MiB: {heap.why}")
        yield _fact("Java in all", f"about {heap.needs / 2**20:.0f} MiB when it is busy")
    yield _fact("steps", ", ".join(host.steps))
    yield from (_fact("note", note) for note in host.notes)


def _change(change: Change) -> str:
    sign = SIGNS[change.kind]
    if change.name:
        return f"{sign} {change.what:<{WIDTH}} {change.name}"
    values = f"{_cut(change.was)} -> {_cut(change.now)}" if change.kind == "changed" else ""
    return f"{sign} {change.what:<{WIDTH}} {values or _cut(change.now or change.was)}".rstrip(" ->")


def _fact(name: str, text: str) -> str:
    return f"    {name:<{WIDTH}} {text}"


def _cut(text: str) -> str:
    """A digest as far as people compare it."""
    return text[:19] if text.startswith("sha256:") else short(text)


def _bytes(size: int) -> str:
    """Decimal units, as registries and networks count."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
