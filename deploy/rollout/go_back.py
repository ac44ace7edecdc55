"""Undoing a rollout: every touched host goes back to what it ran before, and is seen to."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import NoReturn

from deploy.rollout import steps
from deploy.rollout.evidence import keep_evidence
from deploy.rollout.journal import Attempt, Begun
from deploy.values.errors import (
    Failure,
    HostError,
    Interrupted,
    LeftBroken,
    LeftDifferent,
    RolledBack,
)
from deploy.values.plan import Stage

PREPARING = ("start", "pull", "prepare")
"""The stages in which no service is touched."""
TURN = 0.1
"""Seconds."""

Broken = Mapping[str, Exception]
"""Why going back failed, by host."""


def go_back(attempt: Attempt, stage: Stage, error: Exception) -> NoReturn:
    """Undo everything, check it, and raise what the whole came to.

    Batches are undone last first, so that hosts that were replaced one after the other go back one after the
    other too; then every touched host is checked.

    Args:
        attempt: how far the rollout has come.
        stage: the one that failed.
        error: what it failed with.
    """
    attempt.warn("Going back: every touched host returns to what it ran before.", step="undo")
    kept = _keep_evidence(attempt, error)
    for site in attempt.sites.values():
        site.cancel.clear()
    signals = Signals(int(isinstance(error, Interrupted)))
    broken: dict[str, Exception] = {}
    for batch in reversed(attempt.journal.batches):
        undo = partial(_undo, attempt, batch)
        broken |= _on_each(attempt, batch, undo, signals, error)
    touched = [host for host in attempt.journal.touched if host not in broken]
    broken |= _on_each(attempt, touched, partial(_check, attempt), signals, error)
    raise _verdict(stage, error, broken, kept) from error


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


class Signals:
    """How many signals have come; the second one stops going back."""

    def __init__(self, count: int) -> None:
        self.count = count


def _on_each(
    attempt: Attempt,
    hosts: Sequence[str] | Mapping[str, object],
    work: Callable[[str], None],
    signals: Signals,
    error: Exception,
) -> dict[str, Exception]:
    """Do the same on some hosts at once; returns what failed."""
    if not hosts:
        return {}
    pool = ThreadPoolExecutor(max_workers=len(hosts), thread_name_prefix="undo")
    futures = {host: pool.submit(work, host) for host in hosts}
    _await_all(attempt, futures, signals, error)
    pool.shutdown()
    failed = {host: future.exception() for host, future in futures.items()}
    return {host: why for host, why in failed.items() if isinstance(why, Exception)}


def _await_all(
    attempt: Attempt, futures: Mapping[str, "Future[None]"], signals: Signals, error: Exception
) -> None:
    """Wait in short turns for signals to be heard; the second one stops at once."""
    while True:
        try:
            while wait(futures.values(), timeout=TURN).not_done:
                pass
            return
        except Interrupted as again:
            signals.count += 1
            if signals.count > 1:
                left = [host for host, future in futures.items() if not future.done()]
                raise Interrupted(
                    again.signal_number,
                    f"Interrupted a second time while going back; not back yet: {', '.join(left)}.",
                    advice="A new `invoke deploy` replaces what is left.",
                ) from error
            attempt.warn("Still going back; a second signal stops at once.", step="undo")


def _undo(attempt: Attempt, batch: Begun, host: str) -> None:
    """Undo one host's steps of a batch; one that fails does not keep the others from being tried."""
    site = attempt.sites[host]
    first: Exception | None = None
    for step in reversed(batch[host]):
        try:
            site.check_lock()
            steps.undo(step, site)
        except (Failure, *steps.EXPECTED) as error:
            site.stream.warning(f"Undoing {step.name}: {steps.explain(error)}", step="undo", host=host)
            first = first or error
    if first:
        raise first


def _check(attempt: Attempt, host: str) -> None:
    was = next(planned.was for planned in attempt.plan.hosts if planned.host == host)
    site = attempt.sites[host]
    steps.back_in_service(site, attempt.plan.release.app, was)
    site.stream.note(f"back on {was.tag if was else 'nothing, as before'}", step="undo", host=host)


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


def _verdict(stage: Stage, error: Exception, broken: Broken, kept: Sequence[str]) -> Failure:
    cause = error if isinstance(error, Failure) else HostError(str(error))
    advice = " ".join([cause.advice, *(f"See {path}." for path in kept)]).strip()
    told = {"host": cause.host, "step": cause.step}
    if broken:
        return LeftBroken(
            f"{cause.what} Going back failed on {', '.join(broken)}.",
            why=cause.why,
            advice="Look at each with `docker ps -a`; a new `invoke deploy` replaces what is left.",
            details=[*cause.details, *(f"{host}: {steps.explain(why)}" for host, why in broken.items())],
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
