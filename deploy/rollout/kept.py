"""What an earlier release ran with, written into its container's labels and read back from it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from deploy.values import labels
from deploy.values.confinement import Confinement
from deploy.values.mounts import Mount
from deploy.values.release import ContainerSpec

NO_FILES: Mapping[str, str] = MappingProxyType({})


def spec_label(spec: ContainerSpec) -> str:
    """A spec without the values of its environment: the engine holds those, next to the image's own."""
    told = asdict(spec) | {"environment": sorted(spec.environment)}
    return json.dumps(told, separators=(",", ":"))


def in_files(container_labels: Mapping[str, str]) -> tuple[str, ...]:
    """The names of what a container gets as files, by its labels."""
    try:
        return tuple(json.loads(container_labels[labels.SPEC])["in_files"])
    except (KeyError, TypeError, ValueError):
        return ()


def read_spec(seen: Mapping[str, Any], files: Mapping[str, str] = NO_FILES) -> ContainerSpec | None:
    """The spec of a container; None when it does not say.

    The names of its environment come from the label, since the engine adds the image's own variables.

    Args:
        seen: its inspection.
        files: what it gets as files, by name.
    """
    config = seen["Config"]
    given = {**dict(entry.partition("=")[::2] for entry in config.get("Env") or ()), **files}
    try:
        told = json.loads(config["Labels"][labels.SPEC])
        told["environment"] = {name: given[name] for name in told["environment"]}
        told["mounts"] = tuple(Mount(**mount) for mount in told["mounts"])
        told["secrets"] = tuple(told["secrets"])
        told["in_files"] = tuple(told.get("in_files") or ())
        told["confinement"] = _confinement(told.get("confinement"))
        return ContainerSpec(**told)
    except (KeyError, TypeError, ValueError):
        return None


def _confinement(told: Any) -> Confinement | None:
    """None where an earlier version of this program made the container, which said nothing of it."""
    return Confinement(**(told | {"cap_add": tuple(told["cap_add"])})) if told else None
