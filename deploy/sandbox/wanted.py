"""What a sandbox should be: its hosts, their ports, and the spec of every container."""

from collections.abc import Callable, Iterator, Mapping

from deploy.sandbox.containers import File, Spec
from deploy.sandbox.images import Name
from deploy.sandbox.state import Home, HostState, State
from deploy.sandbox.value import REGISTRY, container_name
from deploy.setup import registry_config

UID = 1000
"""Of the user `deploy`, in docker/sandbox/host/Dockerfile."""
SSH_PORT = 22
REGISTRY_PORT = 5000


def number_of_hosts(state: State, asked: int | None, setting: int) -> State:
    """The state with what `--hosts` asks for, or asked for last while SANDBOX_HOSTS stayed the same."""
    if asked is None and state.setting == setting:
        asked = state.asked
    return state.model_copy(update={"asked": asked, "setting": setting})


def with_hosts(state: State, ports: Iterator[int], host_key: Callable[[str], str]) -> State:
    """The state with as many hosts as it wants: the first ones kept as they are, new ones with new ports.

    Args:
        state: a state whose `asked` and `setting` are as wanted.
        ports: free ports.
        host_key: host's name -> public key of its sshd.
    """
    count = state.asked or state.setting
    hosts = [
        HostState(name=name, ssh_port=next(ports), app_port=next(ports), host_key=host_key(name))
        for name in (f"host-{number}" for number in range(len(state.hosts) + 1, count + 1))
    ]
    return state.model_copy(update={"hosts": (*state.hosts[:count], *hosts)})


def with_other_ports(state: State, container: str, ports: Iterator[int]) -> State:
    """The state with other ports for one of its containers, named as its hostname."""
    if container == REGISTRY:
        return state.model_copy(update={"registry_port": next(ports)})
    moved = tuple(
        host.model_copy(update={"ssh_port": next(ports), "app_port": next(ports)})
        if host.name == container
        else host
        for host in state.hosts
    )
    return state.model_copy(update={"hosts": moved})


def specs(state: State, home: Home, names: Mapping[Name, str], app_port: int) -> list[Spec]:
    """Every container of a sandbox.

    Args:
        state: the sandbox.
        home: where its keys are.
        names: the images of `host` and `registry`.
        app_port: the port of a host that is published: APP_PORT's.
    """
    return [
        _registry(state, names["registry"]),
        *(_host(state, home, host, names["host"], app_port) for host in state.hosts),
    ]


def network(state: State) -> str:
    """The name of the sandbox's network."""
    return container_name(state.id, "net")


def _registry(state: State, image: str) -> Spec:
    return Spec(
        name=container_name(state.id, REGISTRY),
        sandbox=state.id,
        home=state.home,
        image=image,
        hostname=REGISTRY,
        network=network(state),
        ports={REGISTRY_PORT: state.registry_port},
        volume_at="/var/lib/registry",
        files=(
            File(
                path=registry_config.CONFIG,
                content=registry_config.config(tls=False, users=False).encode(),
                mode=0o644,
            ),
        ),
    )


def _host(state: State, home: Home, host: HostState, image: str, app_port: int) -> Spec:
    public = home.key.with_suffix(".pub").read_bytes()
    return Spec(
        name=container_name(state.id, host.name),
        sandbox=state.id,
        home=state.home,
        image=image,
        hostname=host.name,
        network=network(state),
        ports={SSH_PORT: host.ssh_port, app_port: host.app_port},
        volume_at="/var/lib/docker",
        files=(
            File(
                path="/etc/ssh/ssh_host_ed25519_key",
                content=home.host_key(host.name).read_bytes(),
                mode=0o600,
            ),
            File(path="/home/deploy/.ssh/authorized_keys", content=public, mode=0o600, uid=UID),
        ),
        confinement=state.confinement,
        cgroups=state.cgroups or "2",
    )
