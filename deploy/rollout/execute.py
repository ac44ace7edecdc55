"""The one executor: does the steps of a plan, host by host and batch by batch, and undoes them all."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from docker.errors import APIError

from deploy.rollout import steps
from deploy.rollout.evidence import keep_evidence
from deploy.rollout.site import Bench, Cancelled, Site
from deploy.values.errors import Failure, HostError, Interrupted, LeftBroken, RolledBack
from deploy.values.plan import Plan, Stage, Work
from deploy.values.steps import Step

PREPARING = ("start", "pull", "prepare")
"""The stages in which no service is touched."""
TURN = 0.1
"""Seconds."""

Sites = Mapping[str, Site]


@dataclass
class Journal:
    """What was begun on each host, in order, and how long each phase took."""

    begun: dict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, dict[str, float]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(float))
    )

    @contextmanager
    def step(self, host: str, step: Step) -> Iterator[None]:
        """Write a step down before it is done: one that breaks off half way is undone too."""
        self.begun[host].append(step)
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[host][step.phase] += time.monotonic() - begun


def execute(plan: Plan, sites: Sites, bench: Bench) -> Journal:
    """Do a plan, or put every touched host back.

    Args:
        plan: what to do.
        sites: every host of the plan, by name.
        bench: where the evidence of a failure goes.

    Raises:
        HostError: a host failed before any service was touched; what was prepared is removed again.
        RolledBack: a step failed; every touched host is back on what it ran before, checked.
        LeftBroken: a step failed, and going back failed or could not be verified.
        Interrupted: a signal came; every touched host is back.
    """
    journal = Journal()
    stage = Stage(name="start", batches=())
    try:
        for stage in plan.stages:
            _run_stage(stage, sites, journal)
    except (Failure, *steps.EXPECTED) as error:
        _go_back(plan, stage, sites, journal, bench, error)
    return journal


def _run_stage(stage: Stage, sites: Sites, journal: Journal) -> None:
    try:
        for batch in stage.batches:
            _run_batch(batch, sites, journal)
    except (Failure, *steps.EXPECTED) as error:
        if not stage.after_commit:
            raise
        _warn(sites, stage, error)


def _warn(sites: Sites, stage: Stage, error: Exception) -> None:
    stream = next(iter(sites.values())).stream
    host = error.host if isinstance(error, Failure) else ""
    stream.warning(f"The release is in service, but {stage.name} ended: {error}", step=stage.name, host=host)


def _run_batch(batch: Sequence[Work], sites: Sites, journal: Journal) -> None:
    """Work on the hosts of a batch at the same time; the first failure stops the others."""
    with ThreadPoolExecutor(max_workers=len(batch), thread_name_prefix="rollout") as pool:
        futures = [pool.submit(_run_work, work, sites[work.host], journal) for work in batch]
        try:
            _await(futures, FIRST_EXCEPTION)
        finally:
            if not all(future.done() for future in futures) or any(future.exception() for future in futures):
                _cancel(sites)
    raise_first(futures)


def _await(futures: Sequence["Future[None]"], until: str) -> None:
    """Wait in short turns: a signal that another thread received is handled between them only."""
    while wait(futures, timeout=TURN, return_when=until).not_done:
        if until == FIRST_EXCEPTION and any(future.done() and future.exception() for future in futures):
            return


def _cancel(sites: Sites) -> None:
    for site in sites.values():
        site.cancel.set()


def raise_first(futures: Sequence["Future[None]"]) -> None:
    """Raise what failed first-hand, before what was merely cancelled by it."""
    errors = [error for future in futures if (error := future.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
        raise error


def _run_work(work: Work, site: Site, journal: Journal) -> None:
    for step in work.steps:
        site.pause(0)
        site.lock.check()
        with site.stream.step(step.name, step.text, host=work.host), journal.step(work.host, step):
            _translated(step, site)


def _translated(step: Step, site: Site) -> None:
    """Do a step; what the engine or the connection raises becomes a failure that names host and step."""
    try:
        steps.do(step, site)
    except steps.EXPECTED as error:
        raise HostError(
            f"The step `{step.name}` failed: {step.text}.",
            why=explain(error),
            host=site.host.name,
            step=step.name,
        ) from error
    except Failure as failure:
        failure.host = failure.host or site.host.name
        failure.step = failure.step or step.name
        raise


def explain(error: Exception) -> str:
    """The engine's own words, without the URL that the SDK wraps them in."""
    said = error.explanation if isinstance(error, APIError) else None
    return str(said or error or type(error).__name__)


def _go_back(
    plan: Plan, stage: Stage, sites: Sites, journal: Journal, bench: Bench, error: Exception
) -> None:
    """Undo everything, check it, and raise what the whole came to."""
    touched = {host: sites[host] for host in journal.begun}
    stream = next(iter(sites.values())).stream
    stream.warning("Going back: every touched host returns to what it ran before.", step="undo")
    kept = _keep_evidence(plan, sites, bench, error)
    for site in touched.values():
        site.cancel.clear()
    pool = ThreadPoolExecutor(max_workers=max(len(touched), 1), thread_name_prefix="undo")
    undone = {
        host: pool.submit(_undo_host, plan, site, journal.begun[host]) for host, site in touched.items()
    }
    _await_undone(undone, sites, error)
    pool.shutdown()
    broken = {host: failed for host, future in undone.items() if (failed := future.exception())}
    raise _verdict(stage, error, broken, kept) from error


def _await_undone(undone: Mapping[str, "Future[None]"], sites: Sites, error: Exception) -> None:
    """Wait for every host to be back; the second signal of all stops at once."""
    signals = int(isinstance(error, Interrupted))
    while True:
        try:
            _await(list(undone.values()), ALL_COMPLETED)
            return
        except Interrupted as again:
            signals += 1
            left = [host for host, future in undone.items() if not future.done()]
            if signals > 1:
                raise Interrupted(
                    again.signal_number,
                    f"Interrupted a second time while going back; not back yet: {', '.join(left)}.",
                    advice="A new `invoke deploy` replaces what is left.",
                ) from error
            stream = next(iter(sites.values())).stream
            stream.warning("Still going back; a second signal stops at once.", step="undo")


def _undo_host(plan: Plan, site: Site, begun: Sequence[Step]) -> None:
    """Undo one host's steps, last first; one that fails does not keep the others from being tried."""
    first: Exception | None = None
    for step in reversed(begun):
        try:
            site.lock.check()
            steps.undo(step, site)
        except (Failure, *steps.EXPECTED) as error:
            site.stream.warning(f"Undoing {step.name}: {explain(error)}", step="undo", host=site.host.name)
            first = first or error
    if first:
        raise first
    was = next(host.was for host in plan.hosts if host.host == site.host.name)
    steps.back_in_service(site, plan.release.app, was)
    site.stream.note(f"back on {was.tag if was else 'nothing, as before'}", step="undo", host=site.host.name)


def _keep_evidence(plan: Plan, sites: Sites, bench: Bench, error: Exception) -> list[str]:
    """Keep what the failed host's candidate left; it is removed by the undo."""
    host = error.host if isinstance(error, Failure) else ""
    if host not in sites:
        return []
    try:
        return keep_evidence(sites[host], plan.release, bench, error)
    except (Failure, *steps.EXPECTED) as failed:
        sites[host].stream.warning(f"Could not keep its log: {explain(failed)}", step="undo", host=host)
        return []


def _verdict(stage: Stage, error: Exception, broken: Mapping[str, BaseException], kept: list[str]) -> Failure:
    cause = error if isinstance(error, Failure) else HostError(str(error))
    advice = " ".join([cause.advice, *(f"See {path}." for path in kept)]).strip()
    told = {"host": cause.host, "step": cause.step}
    if broken:
        states = [
            f"{host}: {explain(why) if isinstance(why, Exception) else why}" for host, why in broken.items()
        ]
        return LeftBroken(
            f"{cause.what} Going back failed on {', '.join(broken)}.",
            why=cause.why,
            advice="Look at each with `docker ps -a`; a new `invoke deploy` replaces what is left.",
            details=[*cause.details, *states],
            **told,
        )
    if isinstance(cause, Interrupted):
        return Interrupted(
            cause.signal_number, "Interrupted; every touched host is back on what it ran before."
        )
    if stage.name in PREPARING and isinstance(cause, HostError):
        return HostError(
            cause.what,
            why=cause.why,
            advice=advice,
            details=[*cause.details, "No service was touched."],
            **told,
        )
    return RolledBack(
        f"{cause.what} Every touched host is back on what it ran before.",
        why=cause.why,
        advice=advice,
        details=cause.details,
        **told,
    )
