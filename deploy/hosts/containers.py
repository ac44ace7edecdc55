"""Read the engine's words about a container: its list (`GET /containers/json`) and its `inspect`."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from deploy.values.facts import ContainerFacts, Health, PublishedPort

_EXITED = re.compile(r"Exited \((-?\d+)\)")
_NEVER = "0001-01-01"
"""How Go writes a time that is not set."""


def listed(entry: Mapping[str, Any]) -> ContainerFacts:
    """Read an entry of the list, which knows neither restart policy nor when it started."""
    status = str(entry.get("Status", ""))
    exited = _EXITED.match(status)
    return ContainerFacts(
        id=str(entry["Id"]),
        name=_name(entry.get("Names") or ()),
        state=str(entry.get("State", "")),
        image=str(entry.get("Image", "")),
        image_id=str(entry.get("ImageID", "")),
        labels=dict(entry.get("Labels") or {}),
        addresses=_addresses(entry),
        published=tuple(
            PublishedPort(
                address=str(port.get("IP", "")),
                port=int(port["PublicPort"]),
                container_port=int(port["PrivatePort"]),
                protocol=str(port.get("Type", "tcp")),
            )
            for port in entry.get("Ports") or ()
            if port.get("PublicPort")
        ),
        created_at=float(entry.get("Created", 0)),
        exit_code=int(exited[1]) if exited else None,
        health=_health_of_status(status),
    )


def inspected(document: Mapping[str, Any]) -> ContainerFacts:
    """Read the answer of `inspect`."""
    state, config = document["State"], document["Config"]
    host_config = document.get("HostConfig") or {}
    policy = host_config.get("RestartPolicy") or {}
    never_ran = str(state.get("StartedAt", _NEVER)).startswith(_NEVER)
    runs = state.get("Running") and not state.get("Restarting")
    return ContainerFacts(
        id=str(document["Id"]),
        name=str(document["Name"]).removeprefix("/"),
        state=str(state["Status"]),
        image=str(config.get("Image", "")),
        image_id=str(document.get("Image", "")),
        labels=dict(config.get("Labels") or {}),
        addresses=_addresses(document),
        published=_published(document),
        created_at=seconds(str(document.get("Created", ""))),
        exit_code=None if runs or never_ran else int(state.get("ExitCode", 0)),
        health=_health((state.get("Health") or {}).get("Status", "none")),
        inspected=True,
        restart_policy=str(policy.get("Name") or "no"),
        restart_limit=int(policy.get("MaximumRetryCount") or 0),
        restart_count=int(document.get("RestartCount", 0)),
        memory=int(host_config.get("Memory") or 0) or None,
        network_mode=str(host_config.get("NetworkMode") or ""),
        removes_itself=bool(host_config.get("AutoRemove")),
        oom_killed=bool(state.get("OOMKilled")),
        error=str(state.get("Error", "")),
        started_at=_moment(state.get("StartedAt")),
        finished_at=_moment(state.get("FinishedAt")),
        aliases={
            network: tuple(settings.get("Aliases") or ()) for network, settings in _networks(document).items()
        },
    )


def seconds(moment: str) -> float:
    """Seconds since the epoch of the engine's RFC 3339 time, which has nine decimals; 0 when not set."""
    if not _moment(moment):
        return 0.0
    whole = re.sub(r"\.(\d{6})\d*", r".\1", moment)
    return datetime.fromisoformat(whole).timestamp()


def _moment(value: object) -> str:
    text = str(value or "")
    return "" if text.startswith(_NEVER) else text


def _name(names: Any) -> str:
    # A container that others link to has their names for it too, with a second slash.
    own = [str(name) for name in names if str(name).count("/") == 1]
    return own[0].removeprefix("/") if own else ""


def _networks(document: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return (document.get("NetworkSettings") or {}).get("Networks") or {}


def _addresses(document: Mapping[str, Any]) -> dict[str, str]:
    found = {name: str(settings.get("IPAddress") or "") for name, settings in _networks(document).items()}
    return {name: address for name, address in found.items() if address}


def _published(document: Mapping[str, Any]) -> tuple[PublishedPort, ...]:
    """What it publishes now, or would when started."""
    settings = document.get("NetworkSettings") or {}
    ports = settings.get("Ports") or (document.get("HostConfig") or {}).get("PortBindings") or {}
    found = []
    for inner, bindings in ports.items():
        number, _, protocol = str(inner).partition("/")
        for binding in bindings or ():
            if str(binding.get("HostPort") or "0") != "0":
                found.append(
                    PublishedPort(
                        address=str(binding.get("HostIp") or "0.0.0.0"),  # noqa: S104  # what the engine means
                        port=int(binding["HostPort"]),
                        container_port=int(number),
                        protocol=protocol or "tcp",
                    )
                )
    return tuple(found)


def _health_of_status(status: str) -> Health:
    if "(healthy)" in status:
        return "healthy"
    if "(unhealthy)" in status:
        return "unhealthy"
    return "starting" if "(health: starting)" in status else "none"


def _health(text: str) -> Health:
    match text:
        case "healthy" | "unhealthy" | "starting":
            return text
        case _:
            return "none"
