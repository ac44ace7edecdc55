"""Undoing a rollout: every touched host goes back to what it ran before, and is seen to."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from deploy.rollout import balancer, steps
from deploy.rollout.evidence import keep_evidence
from deploy.rollout.journal import Attempt, Begun
from deploy.rollout.regain import regain, stand_up
from deploy.rollout.standing import standing
from deploy.values.adopting_steps import Close, GiveBack
from deploy.values.balancing import PutBack, TakeOut
from deploy.values.errors import (
    Failure,
    HostError,
    Interrupted,
    LeftBroken,
    LeftDifferent,
    RolledBack,
)
from deploy.values.plan import Stage
from deploy.values.steps import StartProxy, StopOld

PREPARING = ("start", "pull", "prepare")
"""The stages in which no service is touched."""
TURN = 0.1
"""Seconds."""


def go_back(attempt: Attempt, stage: Stage, error: Exception) -> NoReturn:
    """Undo everything, check it, and raise what the whole came to.

    Batches are undone last first, so that hosts that were replaced one after the other go back one after the
    other too; then every touched host is checked. All of it in a thread of its own: this one hears signals,
    and only the second one ends the way back.

    Args:
        attempt: how far the rollout has come.
        stage: the one that failed.
        error: what it failed with.
    """
    back: set[str] = set()
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="go-back")
    work = thread.submit(_put_back, attempt, error, back)
    _await(work, attempt, back, error)
    raise _verdict(stage, error, work.result()) from error


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What going back came to."""

    broken: Mapping[str, Exception]
    """Why it failed, by host."""
    left: Sequence[str]
    """How the hosts stand on which it failed, a line each."""
    kept: Sequence[str]
    """Folders with what is known of the failed candidate."""


def _put_back(attempt: Attempt, error: Exception, back: set[str]) -> Outcome:
    attempt.warn("Going back: every touched host returns to what it ran before.", step="undo")
    for site in attempt.sites.values():
        site.cancel.clear()
    broken = _on_each(_changed(attempt), partial(_regain, attempt))
    lost = frozenset(broken)
    kept = _keep_evidence(attempt, error)
    for batch in reversed(attempt.journal.batches):
        hosts = [host for host in batch if host not in lost]
        broken |= _on_each(hosts, partial(_undo, attempt, batch, frozenset(broken)))
    changed = [host for host in _changed(attempt) if host not in broken]
    broken |= _on_each(changed, partial(_check, attempt, back))
    _tell(attempt, broken)
    left = [standing(attempt.sites[host], attempt.plan.release.app) for host in broken]
    return Outcome(broken=broken, left=left, kept=kept)


def _changed(attempt: Attempt) -> list[str]:
    """The hosts that may have to be put back."""
    journal = attempt.journal
    lasting = {
        host
        for host in journal.touched
        if not all(isinstance(step, steps.HARMLESS) for step in journal.begun(host))
    }
    begun = [step for host in journal.touched for step in journal.begun(host)]
    shared = attempt.balancers if any(isinstance(step, TakeOut | PutBack) for step in begun) else []
    # Balancers first: they are needed to put the hosts back.
    return list(dict.fromkeys([*shared, *(host for host in journal.touched if host in lasting)]))


def _regain(attempt: Attempt, host: str) -> None:
    """See that a host can be put back, and that what served there runs, or can be started by an undo."""
    site, release = attempt.sites[host], attempt.plan.release
    plan = attempt.plan.of(host)
    regain(site, release, plan)
    begun = {type(step) for step in attempt.journal.begun(host)}
    try:
        stand_up(
            site,
            release.app,
            plan,
            proxy=begun.isdisjoint({StartProxy, GiveBack}),
            old=begun.isdisjoint({StopOld, Close}),
        )
    except (Failure, *steps.EXPECTED) as error:
        # What counts is how it stands at the end, and that is looked at.
        site.stream.warning(f"What served there: {steps.explain(error)}", step="undo", host=host)


def _tell(attempt: Attempt, broken: Collection[str]) -> None:
    """Let it be known how every host that was touched has come out of it."""
    was = {host.host: host.was for host in attempt.plan.hosts}
    for host in dict.fromkeys([*attempt.journal.touched, *_changed(attempt)]):
        before = was.get(host)
        told = (
            {"state": "broken"} if host in broken else {"state": "back", "now": before.tag if before else ""}
        )
        attempt.sites[host].stream.fact(host=host, **told)


def leave(attempt: Attempt, error: Exception) -> NoReturn:
    """Leave a failed rollout as it is, and say where each host stands.

    Raises:
        LeftDifferent: with the steps that each host has behind it.
    """
    kept = _keep_evidence(attempt, error)
    cause = error if isinstance(error, Failure) else HostError(str(error))
    begun: dict[str, list[str]] = {host: [] for host in attempt.sites}
    for batch in attempt.journal.batches:
        for host, done in batch.items():
            begun[host] += [step.name for step in done]
            attempt.sites[host].stream.fact(host=host, state="paused")
    raise LeftDifferent(
        f"{cause.what} Paused: every host is left as it is.",
        why=cause.why,
        advice=" ".join(
            ["`invoke deploy` or `invoke repair` goes on from here.", *(f"See {path}." for path in kept)]
        ),
        host=cause.host,
        step=cause.step,
        details=[
            *cause.details,
            *(f"{host}: {', '.join(names) or 'untouched'}" for host, names in begun.items()),
        ],
    ) from error


def _on_each(hosts: Collection[str], work: Callable[[str], None]) -> dict[str, Exception]:
    """Do the same on some hosts at once; returns what failed."""
    if not hosts:
        return {}
    with ThreadPoolExecutor(max_workers=len(hosts), thread_name_prefix="undo") as pool:
        futures = {host: pool.submit(work, host) for host in hosts}
    failed = {host: future.exception() for host, future in futures.items()}
    return {host: why for host, why in failed.items() if isinstance(why, Exception)}


def _await(work: "Future[Outcome]", attempt: Attempt, back: Collection[str], error: Exception) -> None:
    """Wait in short turns for signals to be heard; the second one stops at once."""
    signals = int(isinstance(error, Interrupted))
    while True:
        try:
            while wait([work], timeout=TURN).not_done:
                attempt.signals.check()
            return
        except Interrupted as again:
            signals += 1
            if signals > 1:
                for site in attempt.sites.values():
                    site.cancel.set()
                left = [host for host in _changed(attempt) if host not in back]
                raise Interrupted(
                    again.signal_number,
                    f"Interrupted a second time while going back; not back yet: {', '.join(left)}.",
                    advice="A new `invoke deploy` replaces what is left.",
                ) from error
            attempt.warn("Still going back; a second signal stops at once.", step="undo")


def _undo(attempt: Attempt, batch: Begun, broken: Collection[str], host: str) -> None:
    """Undo one host's steps of a batch; one that fails does not keep the others from being tried.

    But what a person may still need is not removed from a host that could not be brought back.
    """
    site = attempt.sites[host]
    changed = host in _changed(attempt)
    first: Exception | None = None
    for step in reversed(batch[host]):
        if (first or host in broken) and isinstance(step, steps.STAY):
            continue
        try:
            site.check_lock()
            steps.undo(step, site)
        except (Failure, *steps.EXPECTED) as error:
            site.stream.warning(f"Undoing {step.name}: {steps.explain(error)}", step="undo", host=host)
            first = first or error
    if first and changed:
        raise first


def _check(attempt: Attempt, back: set[str], host: str) -> None:
    site = attempt.sites[host]
    if host in attempt.balancers:
        _check_balancer(attempt, host)
        back.add(host)
        return
    was = attempt.plan.of(host).was
    steps.back_in_service(site, attempt.plan.release.app, was)
    back.add(host)
    site.stream.note(f"back on {was.tag if was else 'nothing, as before'}", step="undo", host=host)


def _check_balancer(attempt: Attempt, host: str) -> None:
    before = next(each for each in attempt.plan.balancers if each.host == host)
    balancer.refuse_changed(attempt.sites[host], attempt.plan.release.app, before)


def _keep_evidence(attempt: Attempt, error: Exception) -> list[str]:
    """Keep what the failed host's candidate left; it is removed by the undo."""
    host = error.host if isinstance(error, Failure) else ""
    if host not in attempt.sites:
        return []
    try:
        return keep_evidence(attempt.sites[host], attempt.plan.release, attempt.bench, error)
    except (Failure, *steps.EXPECTED) as failed:
        attempt.warn(f"Could not keep its log: {steps.explain(failed)}", step="undo", host=host)
        return []


def _verdict(stage: Stage, error: Exception, outcome: Outcome) -> Failure:
    cause = error if isinstance(error, Failure) else HostError(str(error))
    advice = " ".join([cause.advice, *(f"See {path}." for path in outcome.kept)]).strip()
    broken = outcome.broken
    told = {"host": cause.host, "step": cause.step}
    if broken:
        return LeftBroken(
            f"{cause.what} Going back failed on {', '.join(broken)}.",
            why=cause.why,
            advice="What was made there stays. Once the cause is gone, `invoke deploy` replaces it.",
            details=[
                *cause.details,
                *(f"{host}: {steps.explain(why)}" for host, why in broken.items()),
                *outcome.left,
            ],
            **told,
        )
    if isinstance(cause, Interrupted):
        back = "Interrupted; every touched host is back on what it ran before."
        return Interrupted(cause.signal_number, back)
    if stage.name in PREPARING and isinstance(cause, HostError):
        details = [*cause.details, "No service was touched."]
        return HostError(cause.what, why=cause.why, advice=advice, details=details, **told)
    return RolledBack(
        f"{cause.what} Every touched host is back on what it ran before.",
        why=cause.why,
        advice=advice,
        details=cause.details,
        **told,
    )
