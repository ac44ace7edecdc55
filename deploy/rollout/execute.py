"""The one executor: does the steps of a plan, stage by stage and batch by batch, or undoes them all."""

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

from deploy.rollout import steps
from deploy.rollout.go_back import go_back, leave
from deploy.rollout.journal import Attempt, Journal, Sites
from deploy.rollout.signals import Signals
from deploy.rollout.site import Bench, Cancelled, Site
from deploy.values.errors import Failure, HostError, Interrupted
from deploy.values.plan import Plan, Stage, Work
from deploy.values.steps import Step

TURN = 0.1
"""Seconds."""


def execute(plan: Plan, sites: Sites, bench: Bench, *, pause: bool = False) -> Journal:
    """Do a plan, or put every touched host back.

    Args:
        plan: what to do.
        sites: every host of the plan, by name.
        bench: where the evidence of a failure goes.
        pause: leave the fleet as it is when a step fails, for a look; a signal still puts it back.

    Raises:
        HostError: a host failed before any service was touched; what was prepared is removed again.
        RolledBack: a step failed; every touched host is back on what it ran before, checked.
        LeftBroken: a step failed, and going back failed or could not be verified.
        LeftDifferent: a step failed, and the fleet was left as it is, as was asked for.
        Interrupted: a signal came; every touched host is back, or, after the commit, in service.
    """
    with Signals() as signals:
        attempt = Attempt(plan=plan, sites=sites, bench=bench, signals=signals)
        stage = Stage(name="start", batches=())
        try:
            for stage in plan.stages:
                if stage.after_commit:
                    _in_service(attempt)
                _run_stage(stage, attempt)
        except (Failure, *steps.EXPECTED) as error:
            if stage.after_commit:
                _in_service(attempt)
                raise
            if pause and not isinstance(error, Interrupted):
                leave(attempt, error)
            go_back(attempt, stage, error)
        _in_service(attempt)
    return attempt.journal


def _in_service(attempt: Attempt) -> None:
    plan = attempt.plan
    for name, site in attempt.sites.items():
        state = "released" if plan.touches(name) else "unchanged"
        now = "" if name in attempt.balancers else plan.release.tag
        site.stream.fact(host=name, state=state, now=now)


def _run_stage(stage: Stage, attempt: Attempt) -> None:
    try:
        for batch in stage.batches:
            _run_batch(batch, attempt)
    except (Failure, *steps.EXPECTED) as error:
        if not stage.after_commit:
            raise
        if isinstance(error, Interrupted):
            raise Interrupted(
                error.signal_number,
                f"Interrupted after the commit: the release is in service; {stage.name} was not done.",
                advice="The next `invoke deploy` does it too.",
            ) from error
        host = error.host if isinstance(error, Failure) else ""
        attempt.warn(
            f"The release is in service, but {stage.name} ended: {error}", step=stage.name, host=host
        )


def _run_batch(batch: Sequence[Work], attempt: Attempt) -> None:
    """Work on the hosts of a batch at the same time; the first failure stops the others."""
    attempt.journal.begin_batch()
    futures: list[Future[None]] = []
    with ThreadPoolExecutor(max_workers=len(batch), thread_name_prefix="rollout") as pool:
        try:
            for work in batch:
                futures.append(pool.submit(_run_work, work, attempt.sites[work.host], attempt.journal))
            _await_first_failure(futures, attempt)
        finally:
            if not all(future.done() and not future.exception() for future in futures):
                for site in attempt.sites.values():
                    site.cancel.set()
    _raise_first(futures)


def _await_first_failure(futures: Sequence["Future[None]"], attempt: Attempt) -> None:
    """Wait in short turns, and hear the signals that came meanwhile."""
    while wait(futures, timeout=TURN, return_when=FIRST_EXCEPTION).not_done:
        if any(future.done() and future.exception() for future in futures):
            return
        attempt.signals.check()
    attempt.signals.check()


def _raise_first(futures: Sequence["Future[None]"]) -> None:
    """Raise what failed first-hand, before what was merely cancelled by it."""
    errors = [error for future in futures if (error := future.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
        raise error


def _run_work(work: Work, site: Site, journal: Journal) -> None:
    for step in work.steps:
        site.pause(0)
        site.check_lock()
        announced = site.stream.step(step.name, step.text, host=work.host, phase=step.phase)
        with announced, journal.step(work.host, step):
            _translated(step, site)


def _translated(step: Step, site: Site) -> None:
    """Do a step; what the engine or the connection raises becomes a failure that names host and step."""
    try:
        steps.do(step, site)
    except steps.EXPECTED as error:
        raise HostError(
            f"The step `{step.name}` failed: {step.text}.",
            why=steps.explain(error),
            host=site.host.name,
            step=step.name,
        ) from error
    except Failure as failure:
        failure.host = failure.host or site.host.name
        failure.step = failure.step or step.name
        raise
