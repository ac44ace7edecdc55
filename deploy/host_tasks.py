"""What the tasks `host.*` do, in their words."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deploy.command import Run
from deploy.output.clean import clean_line
from deploy.places import choose, with_sandbox
from deploy.values.errors import BuildError, HostError, InputError
from deploy.values.settings import Settings

if TYPE_CHECKING:
    from deploy.hosts.host_key import Shown
    from deploy.setup.findings import Finding

Rows = Sequence[dict[str, object]]


def set_up(run: Run, settings: Settings, *, host: str) -> Rows:
    """Bring the hosts of a profile what they lack; one row a host."""
    from deploy.hosts.fleet import connections, on_each
    from deploy.setup import host as machine
    from deploy.setup.trust import of_hosts
    from deploy.setup.wants import wish_of

    ready = with_sandbox(run, settings)
    inventory, trust = ready.inventory(), of_hosts(ready)
    chosen = choose(inventory, host)
    with connections(chosen, inventory.access) as reached:

        def one(name: str) -> tuple[str, ...]:
            serves = any(each.name == name for each in inventory.hosts)
            place = machine.Host(reached[name])
            return machine.set_up(place, wish_of(ready, trust, serves=serves), run.stream)

        done = on_each(list(reached), one)
    return [_row(name, what) for name, what in zip(reached, done, strict=True)]


def set_up_here(run: Run, settings: Settings) -> Rows:
    """Bring this machine what it lacks for building and pushing."""
    from deploy import engine
    from deploy.setup import host as machine
    from deploy.setup.trust import Trust, of_this_machine
    from deploy.setup.wants import Wish

    place = engine.address(run.environ)
    if place != engine.DEFAULT:
        raise InputError(
            f"This machine uses the Docker Engine at {place}, which is not set up from here.",
            advice="Unset DOCKER_HOST, or `docker context use default`; or set that engine up where it is.",
        )
    sandbox = settings.registry == "sandbox"
    trust = Trust(kind="system", registry=settings.registry) if sandbox else of_this_machine(settings)
    return [_row("this machine", machine.set_up(machine.ThisMachine(), Wish(trust=trust), run.stream))]


def trust(run: Run, settings: Settings, *, host: str, fingerprint: str, yes: bool) -> Rows:
    """Show the hosts' keys, and pin those that were agreed to; one row a host.

    Raises:
        InputError: a key is not pinned and was not agreed to, or a fingerprint is of none of them.
    """
    from deploy.hosts.fleet import on_each
    from deploy.hosts.host_key import pin, show

    ready = with_sandbox(run, settings)
    inventory = ready.inventory()
    shown = on_each(choose(inventory, host), lambda each: show(each, inventory.access))
    agreed = frozenset(filter(None, (part.strip() for part in fingerprint.split(","))))
    _all_shown(agreed, shown)
    open_: list[Shown] = []
    for each in shown:
        # A changed key may be somebody else's: `--yes` alone does not take it.
        wanted = each.fingerprint in agreed or (yes and each.answer == "unknown")
        if each.answer != "pinned" and wanted:
            pin(each)
            run.stream.note(f"Pinned in {each.file}.", host=each.host.name)
        elif each.answer != "pinned":
            open_.append(each)
    if open_:
        raise _not_agreed(open_, settings.profile)
    return [_key_row(each) for each in shown]


def doctor(run: Run, settings: Settings, *, json: bool) -> None:
    """Look at everything that a release needs, and print what was found.

    Raises:
        HostError: a release would fail by a host.
        BuildError: a release would fail by this machine or the registry.
    """
    from dataclasses import asdict

    from deploy.setup.doctor import Patient, examine
    from deploy.setup.findings import HERE

    ready = with_sandbox(run, settings)
    findings = examine(Patient(settings=ready, root=run.root, environ=run.environ, stream=run.stream))
    if json:
        run.table([asdict(finding) for finding in findings], json=True)
    else:
        run.show(report(findings))
    wrong = [finding for finding in findings if finding.verdict == "error"]
    if wrong:
        kind = BuildError if all(finding.where == HERE for finding in wrong) else HostError
        raise kind(
            f"A release would fail: {len(wrong)} of {len(findings)} things are wrong.",
            advice="Mend what is marked ✖ above, then run it again.",
        )


def report(findings: "Sequence[Finding]") -> str:
    """Findings for people: a line each, and below it what to do."""
    places = max(len(finding.where) for finding in findings)
    subjects = max(len(finding.subject) for finding in findings)
    lines = []
    for finding in findings:
        head = f"{finding.mark} {finding.where.ljust(places)}  {finding.subject.ljust(subjects)}  "
        lines.append(head + clean_line(finding.says))
        indent = " " * (places + subjects + 6)
        lines += [f"{indent}{clean_line(line)}" for line in finding.advice.splitlines()]
    return "\n".join(lines)


def _row(host: str, done: Sequence[str]) -> dict[str, object]:
    return {"host": host, "done": "; ".join(done) or "nothing, it has all it needs"}


def _key_row(shown: "Shown") -> dict[str, object]:
    return {
        "host": shown.host.name,
        "type": shown.key_type,
        "fingerprint": shown.fingerprint,
        "shown_by": shown.came_from,
        "pinned_in": shown.file,
    }


def _all_shown(agreed: frozenset[str], shown: Sequence["Shown"]) -> None:
    """Make sure that every fingerprint that was agreed to is one that a host showed."""
    strange = sorted(agreed - {each.fingerprint for each in shown})
    if strange:
        raise InputError(
            f"No host shows {', '.join(strange)}; nothing was pinned.",
            why="either it was mistyped, or another machine answers in the host's place",
            details=[_told(each) for each in shown],
        )


def _not_agreed(shown: Sequence["Shown"], profile: str) -> InputError:
    prints = ",".join(each.fingerprint for each in shown)
    return InputError(
        "These host keys are not pinned.",
        why="A key is pinned when its fingerprint is agreed to; compare it with what the host itself says: "
        "for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done",
        details=[_told(each) for each in shown],
        advice=f"invoke host.trust --profile={profile} --fingerprint={shlex.quote(prints)}",
    )


def _told(shown: "Shown") -> str:
    from deploy.hosts.known_hosts import fingerprint

    known = {
        "pinned": "which is pinned",
        "unknown": "which is not known yet",
        "changed": f"in place of {', '.join(fingerprint(entry.key) for entry in shown.entries)}",
        "revoked": "which is revoked",
    }
    return (
        f"{shown.host.name}: {shown.came_from} shows {shown.key_type} {shown.fingerprint}, "
        f"{known[shown.answer]}"
    )
