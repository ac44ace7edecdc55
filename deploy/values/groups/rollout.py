"""When a release counts as good, and how hosts come to it."""

from typing import Annotated, Literal

from deploy.values import names, sizes
from deploy.values.groups.base import Keys
from deploy.values.keys import Key
from deploy.values.sizes import Batch

_seconds = sizes.whole_number(1, 3600, "seconds")
_seconds_or_none = sizes.whole_number(0, 3600, "seconds")


class RolloutKeys(Keys):
    """When a release counts as good, and how hosts come to it."""

    health_path: Annotated[
        str | None,
        Key(
            group="Health and rollout",
            doc="Path that tells whether the application is well; left out, the image's HEALTHCHECK, else "
            "/actuator/health when the jar has it, else / below 500.",
            example="/actuator/health/readiness",
            parse=names.parse_health_path,
        ),
    ] = None
    health_timeout: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="Seconds that a new container has to become healthy.",
            example="60",
            parse=_seconds,
        ),
    ] = 120
    stop_timeout: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="Seconds that a container has to stop before it is killed.",
            example="60",
            parse=_seconds,
        ),
    ] = 30
    drain_timeout: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="Seconds that running requests have to end before their container is stopped.",
            example="10",
            parse=_seconds_or_none,
        ),
    ] = 30
    monitor: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="Seconds that a healthy container must stay healthy before the next host's turn.",
            example="10",
            parse=_seconds_or_none,
        ),
    ] = 5
    strategy: Annotated[
        Literal["auto", "start-first", "recreate"],
        Key(
            group="Health and rollout",
            doc="start-first (new beside old), recreate (old stops first), or auto: by each host's memory.",
            example="recreate",
            parse=names.one_of("auto", "start-first", "recreate"),
        ),
    ] = "auto"
    batch: Annotated[
        Batch,
        Key(
            group="Health and rollout",
            doc="How many hosts at a time after the first: a number or a share.",
            example="25%",
            parse=sizes.parse_batch,
        ),
    ] = Batch(count=1)
    keep_releases: Annotated[
        int,
        Key(
            group="Health and rollout",
            doc="How many earlier releases a host keeps, stopped, to go back to.",
            example="5",
            parse=sizes.whole_number(0, 50),
        ),
    ] = 3
