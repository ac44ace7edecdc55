"""The team's hooks for a balancer of its own: they take a host out, and put it back."""

from pathlib import Path

from deploy.hooks import FOLDER
from deploy.rollout.site import Site
from deploy.values.balancing import AskBack, AskOut
from deploy.values.errors import Failure

OUT, BACK = "take-out", "put-back"


def there(root: Path) -> frozenset[str]:
    """Which of the two hooks a team has."""
    return frozenset(name for name in (OUT, BACK) if (root / FOLDER / name).exists())


def ask_out(_step: AskOut, site: Site) -> None:
    """Have a host taken out."""
    _ask(site, OUT)


def undo_ask_out(step: AskOut, site: Site) -> None:
    """Have it put back, where there is a hook for that."""
    if step.both:
        _ask(site, BACK)


def ask_back(_step: AskBack, site: Site) -> None:
    """Have a host put back."""
    _ask(site, BACK)


def undo_ask_back(step: AskBack, site: Site) -> None:
    """Have it taken out again, where there is a hook for that."""
    if step.both:
        _ask(site, OUT)


def _ask(site: Site, hook: str) -> None:
    if site.ask is None:
        raise AssertionError("a rollout with hooks for its hosts knows how to run them")
    try:
        site.ask(hook, site)
    except Failure as failure:
        failure.advice = failure.advice or f"Run {FOLDER}/{hook} by hand with HOST and ADDRESS set."
        raise
