"""The audit file on every host: who changed what there, and what came of it. Never read for a decision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.hosts.connection import Connection
from deploy.hosts.fleet import on_each
from deploy.output.audit import audit_line
from deploy.rollout.signals import Signals
from deploy.rollout.steps import EXPECTED, explain
from deploy.values.account import Account, account_of, ending_of
from deploy.values.errors import Failure, LeftDifferent
from deploy.values.events import Event, Stream

SECONDS = 5.0
"""How long a host has to take its line."""
STEP = "audit"
_SCRIPT = Path(__file__).with_name("audit.sh")


@dataclass(frozen=True, kw_only=True)
class Audit:
    """A listener that knows what was done on which host, and in the end tells each host that was touched."""

    app: str
    mask: Callable[[str], str]
    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Remember what matters."""
        if event.kind in {"started", "finished", "failed", "fact"}:
            self.events.append(event)

    def account(self) -> Account:
        """What is known so far."""
        return account_of(self.events)

    def write(
        self, stream: Stream, connections: Mapping[str, Connection], error: BaseException | None
    ) -> None:
        """Append a line on every host that was touched; one that cannot take it is warned of, no more."""
        account = account_of(self.events, ending_of(error or self._different()))
        touched = [host.host for host in account.hosts if host.touched and host.host in connections]
        # A signal that comes now is too late to end what has ended; raised, it would hide how it did.
        with Signals():
            if touched:
                on_each(touched, lambda host: self._append(stream, connections[host], account))

    def _different(self) -> Failure | None:
        """What a rollout ends with that went on without a host."""
        left_out = any(event.data.get("state") == "left out" for event in self.events)
        return LeftDifferent("Hosts that did not answer were left out.") if left_out else None

    def _append(self, stream: Stream, connection: Connection, account: Account) -> None:
        host = connection.host.name
        line = audit_line(account, self.mask, host=host)
        try:
            done = connection.run(_SCRIPT.read_text(), args=[self.app], stdin=line, timeout=SECONDS)
            why = done.err.strip() if done.code else ""
            failed = bool(done.code)
        except (Failure, *EXPECTED) as error:
            failed, why = True, explain(error)
        if failed:
            stream.warning(f"Its audit line could not be written: {why.strip()}", step=STEP, host=host)
