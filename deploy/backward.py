"""The tasks that look and go back: each reads the settings, calls one function, and says what came of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deploy.command import Run, who
from deploy.pipeline import DeployOptions, engine_info, ready_settings, tell
from deploy.values.settings import Settings

if TYPE_CHECKING:
    pass


def releases(run: Run, settings: Settings) -> Sequence[dict[str, object]]:
    """One row a host and release that it could go back to."""
    from deploy.rollout.look import releases as ask

    ready = ready_settings(run, settings)
    return ask(ready.app_name, ready.profile, ready.inventory(), run.stream)


def rollback(
    run: Run, settings: Settings, options: DeployOptions, *, to: str, current_settings: bool
) -> None:
    """A rollout of an earlier release."""
    from deploy.registry import open_registry
    from deploy.rollout.rollback import GoingBack, roll_back
    from deploy.rollout.site import Bench

    manner = options.manner()
    ready = ready_settings(run, settings)

    wish = GoingBack(
        settings=ready,
        to=to,
        current_settings=current_settings,
        manner=manner,
        now=datetime.now(UTC),
        deployed_by=who(),
        registry=lambda: open_registry(ready, engine_info(run)),
        learn=run.mask.learn,
    )
    tell(run, roll_back(wish, Bench(root=run.root, mask=run.mask), run.stream))


def repair(run: Run, settings: Settings, options: DeployOptions) -> None:
    """Bring every host to the release that the fleet is on."""
    from deploy.registry import open_registry
    from deploy.rollout.repair import Mending
    from deploy.rollout.repair import repair as mend
    from deploy.rollout.site import Bench

    ready = ready_settings(run, settings)
    wish = Mending(
        settings=ready,
        manner=options.manner(),
        now=datetime.now(UTC),
        by=who(),
        learn=run.mask.learn,
        registry=lambda: open_registry(ready, engine_info(run)),
    )
    tell(run, mend(wish, Bench(root=run.root, mask=run.mask), run.stream))
