"""What hosts look like from outside a rollout: what answers, what runs, what lies about."""

import json
import urllib.error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.values import labels
from deploy.values.inventory import Host
from tests.support.rollouts import APP, Releases

LOOK = """
docker ps -aq --no-trunc | xargs -r docker inspect 2> /dev/null; echo; echo --
docker network ls --format '{{.Name}}'; echo --
find /tmp /home/deploy /root -xdev -type f ! -path '*/.jarship/*' ! -name 'jarship-*.lock' \
    ! -name 'runc-process*'; echo --
[ ! -e /tmp/jarship-APP.lock ] || flock -n /tmp/jarship-APP.lock true && echo free || echo held
"""


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container."""

    id: str
    running: bool
    policy: str
    """Its restart policy."""
    role: str
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class HostState:
    """One host; two are equal when nothing has changed."""

    answers: str
    """The version that users are shown at APP_PORT; the status of an error, or `nothing`."""
    containers: Mapping[str, Container]
    networks: frozenset[str]
    files: frozenset[str]
    """Files where a rollout could leave some, but for the lock's and the audit's."""
    locked: bool

    @property
    def applications(self) -> dict[str, Container]:
        """The containers of the application, by name."""
        return {name: each for name, each in self.containers.items() if each.role == "app"}


def state_of(releases: Releases, host: Host) -> HostState:
    """Look at a host."""
    seen, networks, files, lock = releases.sandbox.run(host, LOOK.replace("APP", APP)).split("--\n")
    return HostState(
        answers=answers(releases, host),
        containers={each["Name"].lstrip("/"): _container(each) for each in json.loads(seen.strip() or "[]")},
        networks=frozenset(networks.split()),
        files=frozenset(files.split()),
        locked=lock.strip() == "held",
    )


def states_of(releases: Releases, hosts: Sequence[Host]) -> dict[str, HostState]:
    """Look at some hosts."""
    return {host.name: state_of(releases, host) for host in hosts}


def answers(releases: Releases, host: Host) -> str:
    """What a user gets there: a version, a status, or `nothing`."""
    try:
        return releases.version(host) or releases.answer(host)
    except (OSError, urllib.error.URLError):
        return "nothing"


def one_release_serves(
    releases: Releases, hosts: Sequence[Host], version: str, *, beside: Sequence[str] = ()
) -> None:
    """See that each host runs exactly one release, this one, and that it alone would survive a reboot.

    `beside` are containers of somebody else's that may be there, stopped.
    """
    for host in hosts:
        state = state_of(releases, host)
        assert state.answers == version, f"{host.name} answers {state.answers}"
        running = {name for name, each in state.applications.items() if each.running}
        assert running == {APP}, f"{host.name} runs {running}"
        policies = {name: each.policy for name, each in state.applications.items()}
        assert policies.pop(APP) == "unless-stopped", host.name
        assert set(policies.values()) <= {"no"}, f"{host.name}: {policies}"
        assert state.applications[APP].labels[labels.TAG] == version
        others = state.containers.keys() - state.applications.keys() - set(beside)
        assert not any(state.containers[name].running for name in beside if name in state.containers)
        assert others == {f"{APP}-proxy"}, f"{host.name} has {others}"
        assert state.containers[f"{APP}-proxy"].policy == "unless-stopped"
        assert not state.locked, host.name


def _container(seen: dict[str, Any]) -> Container:
    told = seen["Config"]["Labels"] or {}
    return Container(
        id=seen["Id"],
        running=seen["State"]["Running"],
        policy=seen["HostConfig"]["RestartPolicy"]["Name"],
        role=told.get(labels.ROLE, ""),
        labels=told,
    )
