"""What `deploy` says at its end."""

from deploy.output.report import table
from deploy.values.result import Result

PHASES = ("pull", "proxy", "prepare", "stop", "start", "health", "switch", "monitor", "drain", "commit")


def summary(result: Result) -> str:
    """A row a host: was, now, seconds a phase, address."""
    if not result.changed:
        lines = [f"{host.host} runs {host.now} already: {host.url}" for host in result.hosts]
        return "\n".join([*lines, "Nothing to do."])
    phases = [phase for phase in PHASES if any(phase in host.seconds for host in result.hosts)]
    rows = [
        {
            "host": host.host,
            "was": host.was,
            "now": host.now,
            **{phase: round(host.seconds.get(phase, 0.0), 1) for phase in phases},
            "address": host.url,
        }
        for host in result.hosts
    ]
    return f"{table(rows)}\nDone in {result.seconds:.1f} s (seconds a phase above)."
