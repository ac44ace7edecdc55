"""`plan`, and `deploy --plan`: what would be done, looked at first, and done only while it is still so."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.command import Run
from deploy.values.build import Build
from deploy.values.errors import InputError
from deploy.values.planned import Planned
from deploy.values.settings import SANDBOX, Settings

if TYPE_CHECKING:
    from deploy.output.mask import Mask


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked of `plan`."""

    build_file: str = ""
    """Empty for the build at hand."""
    force: bool = False
    adopt: bool = False
    out: str = ""
    """Where the plan is kept; empty for nowhere."""


def plan(run: Run, settings: Settings, wish: Wish) -> Planned:
    """See what `deploy` would do; takes no lock, and changes nothing but the file that was asked for.

    Raises:
        InputError: there is no pushed build, or the sandbox is not up.
        BuildError: the registry does not have the build.
        HostError: a host cannot be reached, or the rollout would fail there.
    """
    from deploy import pipeline, plan_file
    from deploy.rollout import asking
    from deploy.rollout.preview import preview, what_runs
    from deploy.rollout.reach import reach
    from deploy.rollout.survey import survey

    build = _build(run, settings, wish.build_file)
    ready = _as_it_stands(run, settings)
    rollout = pipeline.rollout_of(run, ready, build, force=wish.force, adopt=wish.adopt)
    with reach(rollout.inventory, run.stream) as sites:
        seen = survey(rollout, sites, run.stream, asks=asking.there(run.root))
        planned = preview(build, rollout, seen, what_runs(seen, sites), now=datetime.now(UTC))
    if wish.out:
        plan_file.write(Path(wish.out), planned)
    return planned


def as_text(planned: Planned, mask: "Mask") -> str:
    """A plan for people: each line masked, and free of what a terminal would act on."""
    from deploy.output.clean import safe_lines
    from deploy.output.plan_text import plan_text

    return "\n".join(safe_lines(plan_text(planned), mask))


def as_json(planned: Planned, mask: "Mask") -> str:
    """A plan for programs: what `--out` writes."""
    from deploy.output.report import as_json as write

    return write(planned.model_dump(mode="json"), mask)


def _build(run: Run, settings: Settings, file: str) -> Build:
    """A build that was pushed: the given one, or the one at hand, which must be of the source as it lies."""
    from deploy import pipeline
    from deploy.build_file import PATH, read

    if not file and not (run.root / PATH).exists():
        raise InputError(
            "There is no build to plan with.",
            why=f"{PATH}, which `build` writes, is not there.",
            advice="./invokew build, or --build=FILE",
        )
    build = read(Path(file)) if file else pipeline.build_at_hand(run, settings)
    if build.pushed is None:
        raise InputError("This build has not been pushed.", advice="./invokew push")
    return build


def _as_it_stands(run: Run, settings: Settings) -> Settings:
    """The settings with the sandbox's addresses, when they ask for it; it is not brought up.

    Raises:
        InputError: it has never been up.
    """
    if settings.registry != SANDBOX and not settings.hosts_sandbox:
        return settings
    from deploy.sandbox.life import find

    sandbox = find(run.root)
    if sandbox is None:
        raise InputError("The sandbox is not up, and `plan` changes nothing.", advice="./invokew sandbox.up")
    return sandbox.apply(settings)
