"""Bringing a sandbox up, looking at it, and taking it down without a trace."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import docker

from deploy import engine
from deploy.sandbox import containers, images, ready, wanted
from deploy.sandbox.containers import PortTaken, Spec, marks
from deploy.sandbox.images import Name
from deploy.sandbox.keys import ensure_key
from deploy.sandbox.ports import free_ports
from deploy.sandbox.state import Home, State, new_id
from deploy.sandbox.value import (
    REGISTRY,
    Sandbox,
    container_name,
    is_default,
    registry_address,
    sandbox_of,
)
from deploy.setup import machine
from deploy.values import labels
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from deploy.values.settings import Settings

PORT_TRIES = 5
"""How often ports that somebody took meanwhile are chosen anew."""


def default_home(root: Path) -> Path:
    """Where the sandbox of a clone keeps its state."""
    return root / ".jarship" / "sandbox"


def up(
    settings: Settings, root: Path, *, stream: Stream, hosts: int | None = None, home: Path | None = None
) -> Sandbox:
    """Bring the sandbox up, or find it up.

    Args:
        settings: SANDBOX_HOSTS, APP_PORT, SETUP and whether BASE_IMAGE and PROXY_IMAGE are set are read.
        root: this repository.
        stream: hears what is done.
        hosts: how many hosts, remembered while SANDBOX_HOSTS stays the same; None means SANDBOX_HOSTS.
        home: the state's directory; None is the clone's own. Tests have theirs.

    Returns:
        The sandbox; its registry, and the sshd and the engine of every host, have answered.

    Raises:
        Failure: there is no usable engine, an image cannot be had, or a container does not come up.
    """
    place = Home(home or default_home(root))
    with place.locked():
        machine.ensure_engine(stream, settings.setup)
        client = engine.local(stream)
        try:
            state = _state(client, place, settings, hosts)
            state, names = _images(client, state, settings, stream)
            state = _confined(client, state, names["host"])
            place.save(state)
            port = settings.app_port.port
            specs_of = partial(wanted.specs, home=place, names=names, app_port=port)
            state = _converge(client, place, state, specs_of, stream)
        finally:
            client.close()
    return _sandbox(place, state, names)


def find(root: Path, home: Path | None = None) -> Sandbox | None:
    """The sandbox as it was last brought up, without a look at the engine; None when there is none."""
    place = Home(home or default_home(root))
    state = place.load()
    if state is None:
        return None
    stand_ins: dict[Name, str] = {}
    if not state.hub:
        base = images.base_reference()
        stand_ins = {name: images.reference(name, base) for name in ("java", "proxy")}
    return _sandbox(place, state, stand_ins)


def status(root: Path, *, stream: Stream, home: Path | None = None) -> list[dict[str, object]]:
    """Every part of the sandbox, as rows: name, state, where it is reached, container; empty without one."""
    state = Home(home or default_home(root)).load()
    if state is None:
        return []
    client = engine.local(stream)
    try:
        entries = containers.of_sandbox(client, state.id)
    finally:
        client.close()

    def row(name: str, **reached: object) -> dict[str, object]:
        container = container_name(state.id, name)
        return {"name": name, "state": _state_of(entries.get(container)), **reached, "container": container}

    return [
        row(REGISTRY, url=f"http://{registry_address(state)}", ssh=None),
        *(
            row(host.name, url=f"http://127.0.0.1:{host.app_port}", ssh=f"127.0.0.1:{host.ssh_port}")
            for host in state.hosts
        ),
    ]


def down(root: Path, *, stream: Stream, images_too: bool = False, home: Path | None = None) -> None:
    """Remove every trace of the sandbox: containers, networks, volumes, names of images, keys and state.

    Args:
        root: this repository.
        stream: hears what is done.
        images_too: remove the images that were built for sandboxes as well.
        home: the state's directory; None is the clone's own.
    """
    place = Home(home or default_home(root))
    client = engine.local(stream)
    try:
        with place.locked(), stream.step("sandbox.down", "take the sandbox down"):
            state = place.load()
            containers.remove_everything(client, f"{labels.SANDBOX_HOME}={place.path}")
            if state:
                images.forget_registry(client, registry_address(state), stream)
            place.remove()
        if images_too:
            images.remove(client, stream)
    finally:
        client.close()


def _state(client: docker.DockerClient, place: Home, settings: Settings, hosts: int | None) -> State:
    """What is remembered, or a new beginning, with the hosts that are wanted now."""
    state = place.load()
    if state is None:
        # What an earlier sandbox of this directory left, whose state is lost.
        containers.remove_everything(client, f"{labels.SANDBOX_HOME}={place.path}")
        new = new_id()
        state = State(id=new, home=str(place.path), registry_port=next(free_ports(new, ())))
    public = ensure_key(place.key)
    place.key.with_suffix(".pub").write_text(f"{public}\n")
    state = wanted.number_of_hosts(state, hosts, settings.sandbox_hosts)
    ports = free_ports(state.id, state.ports())
    return wanted.with_hosts(state, ports, lambda name: ensure_key(place.host_key(name)))


def _images(
    client: docker.DockerClient, state: State, settings: Settings, stream: Stream
) -> tuple[State, dict[Name, str]]:
    """The images, from where they came last time; else from Docker Hub if it answers."""
    hub = images.hub_answers(client) if state.hub is None else state.hub
    if hub:
        try:
            names = images.ensure(client, ["host", "registry"], hub=True, stream=stream, setup=settings.setup)
            return state.model_copy(update={"hub": True}), names
        except BuildError as error:
            stream.warning(f"{error.what} {error.why} The sandbox's images are made from Debian's packages.")
    needed: list[Name] = ["host", "registry"]
    needed += ["java"] if is_default(settings, "base_image") else []
    needed += ["proxy"] if is_default(settings, "proxy_image") else []
    names = images.ensure(client, needed, hub=False, stream=stream, setup=settings.setup)
    return state.model_copy(update={"hub": False}), names


def _confined(client: docker.DockerClient, state: State, image: str) -> State:
    """The state with what the engine was found to allow."""
    if state.confinement and state.cgroups:
        return state
    confinement = containers.confinement(client, image, marks(state.id, state.home))
    cgroups = "1" if str(client.info().get("CgroupVersion")) == "1" else "2"
    return state.model_copy(update={"confinement": confinement, "cgroups": cgroups})


def _converge(
    client: docker.DockerClient,
    place: Home,
    state: State,
    specs_of: Callable[[State], list[Spec]],
    stream: Stream,
) -> State:
    """Make the containers what they should be, and wait until they answer."""
    for tries_left in reversed(range(PORT_TRIES)):
        specs = specs_of(state)
        entries = containers.of_sandbox(client, state.id)
        _remove_surplus(client, specs, entries)
        if all(containers.runs_as_wanted(spec, entries.get(spec.name)) for spec in specs):
            taken = _bring_up(client, specs, entries)
        else:
            with stream.step("sandbox.up", f"bring up a registry and {len(state.hosts)} hosts"):
                containers.ensure_network(client, wanted.network(state), marks(state.id, state.home))
                taken = _bring_up(client, specs, entries)
        if not taken:
            break
        if not tries_left:
            raise BuildError("No free ports were found for the sandbox.", why=str(taken[0]))
        for port in taken:
            state = wanted.with_other_ports(state, port.container, free_ports(state.id, state.ports()))
        place.save(state)
    return state


def _remove_surplus(
    client: docker.DockerClient, specs: list[Spec], entries: dict[str, dict[str, Any]]
) -> None:
    """Remove hosts that are not wanted any more, with their volumes."""
    for name in entries.keys() - {spec.name for spec in specs}:
        containers.remove_container(client, name)
        containers.remove_volume(client, name)


def _bring_up(
    client: docker.DockerClient, specs: list[Spec], entries: dict[str, dict[str, Any]]
) -> list[PortTaken]:
    """Bring every container up, side by side; those that could not have their ports are told of."""

    def bring_up(spec: Spec) -> PortTaken | None:
        try:
            containers.bring_up(client, spec, entries.get(spec.name))
        except PortTaken as error:
            return error
        ready.wait(client, spec.name, _check(client, spec))
        return None

    with ThreadPoolExecutor(len(specs)) as pool:
        return [taken for taken in pool.map(bring_up, specs) if taken]


def _check(client: docker.DockerClient, spec: Spec) -> ready.Check:
    if spec.hostname == REGISTRY:
        return ready.registry_check(spec.ports[wanted.REGISTRY_PORT])
    return ready.host_check(client, spec.name, spec.ports[wanted.SSH_PORT])


def _state_of(entry: dict[str, Any] | None) -> str:
    return str(entry["State"]) if entry else "absent"


def _sandbox(place: Home, state: State, names: dict[Name, str]) -> Sandbox:
    return sandbox_of(state, place, base_image=names.get("java"), proxy_image=names.get("proxy"))
