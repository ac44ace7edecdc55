"""How a rollout takes the port from a container that somebody else started. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from deploy.rollout.found import Found
from deploy.values.adopting import Adopted
from deploy.values.adopting_steps import Adopt, Close
from deploy.values.facts import ContainerFacts
from deploy.values.release import Release
from deploy.values.steps import StartProxy, Step, Switch


def take_over(
    adopted: Adopted,
    release: Release,
    up: Sequence[Step],
    proxy: StartProxy,
    switch: Switch,
    *,
    start_first: bool,
) -> list[Step]:
    """The steps that put a release in the place of an adopted container.

    Users wait from its stop until the proxy answers. Under start-first the new one is healthy by then, and
    the proxy starts with it; under recreate it starts in between.

    Args:
        adopted: the container.
        release: the new one.
        up: what starts and checks it.
        proxy: what takes the port.
        switch: what lets it serve.
        start_first: whether both may run at once. Not where a killed rollout has stopped the container
            already: then the undo of its stop is what brings it back, so that the stop comes first.
    """
    timeout = release.health.timeout
    away: list[Step] = [Adopt(adopted=adopted), Close(adopted=adopted, timeout=timeout)]
    if start_first:
        ready = replace(proxy, sends_to=release.alias, container_port=release.spec.port)
        return [*up, *away, ready, switch]
    return [*away, proxy, *up, switch]


def records(here: Found) -> tuple[ContainerFacts, ...]:
    """Containers that were never finished, and alone tell what an adopted one was before.

    They stay until the release that replaces them is committed: only it tells the same then.
    """
    if here.adoption is None or here.adoption.at_home or not here.is_on_adopted:
        return ()
    return tuple(item for item in here.unfinished if item != here.serving)
