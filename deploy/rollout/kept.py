"""What an earlier release ran with, written into its container's labels and read back from it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from deploy.values import labels
from deploy.values.confinement import Confinement
from deploy.values.mounts import Mount
from deploy.values.release import ContainerSpec


def spec_label(spec: ContainerSpec) -> str:
    """A spec without the values of its environment: the engine holds those, next to the image's own."""
    told = asdict(spec) | {"environment": sorted(spec.environment)}
    return json.dumps(told, separators=(",", ":"))


def read_spec(seen: Mapping[str, Any]) -> ContainerSpec | None:
    """The spec of a container, by its inspection; None when it does not say.

    The names of its environment come from the label, since the engine adds the image's own variables.
    """
    config = seen["Config"]
    given = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    try:
        told = json.loads(config["Labels"][labels.SPEC])
        told["environment"] = {name: given[name] for name in told["environment"]}
        told["mounts"] = tuple(Mount(**mount) for mount in told["mounts"])
        told["secrets"] = tuple(told["secrets"])
        told["confinement"] = _confinement(told.get("confinement"))
        return ContainerSpec(**told)
    except (KeyError, TypeError, ValueError):
        return None


def _confinement(told: Any) -> Confinement | None:
    """None where an earlier version of this program made the container, which said nothing of it."""
    return Confinement(**(told | {"cap_add": tuple(told["cap_add"])})) if told else None
