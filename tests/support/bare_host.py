"""A host that begins with nothing but sshd, in a container beside those of the tests' sandbox."""

import hashlib
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from deploy.hosts.connection import Connection, connect
from deploy.sandbox import containers, images
from deploy.sandbox.containers import File, Spec, marks
from deploy.sandbox.keys import ensure_key
from deploy.sandbox.ports import free_ports
from deploy.values import labels
from deploy.values.events import Stream
from deploy.values.inventory import Access, Host
from tests.support.clone import ROOT

DIRECTORY = Path(__file__).with_name("bare")
REGISTRY_PORT = 5000


@dataclass(frozen=True, kw_only=True)
class BareHost:
    """A bare host that runs."""

    client: docker.DockerClient
    container: str
    host: Host
    """As this machine reaches it."""
    name: str
    """As containers of its network reach it, itself included."""
    registry_port: int
    """Where this machine reaches its port 5000, on 127.0.0.1."""
    key: Path
    known_hosts: Path
    """Empty at first: its key is not known."""

    @property
    def access(self) -> Access:
        """How SSH gets in."""
        return Access(key=str(self.key), known_hosts=str(self.known_hosts))

    def connect(self) -> Connection:
        """Open a connection to it."""
        return connect(self.host, self.access)

    def run(self, script: str, *, user: str = "root", check: bool = True) -> str:
        """Run a script inside it, not by SSH; gives what it printed."""
        code, output = self.client.containers.get(self.container).exec_run(["sh", "-c", script], user=user)
        text = output.decode(errors="replace") if isinstance(output, bytes) else ""
        assert code == 0 or not check, f"{script!r} ended with exit code {code}: {text}"
        return text


@contextmanager
def bare_host(client: docker.DockerClient, directory: Path, *, network: str = "") -> Iterator[BareHost]:
    """Start one; leave no trace of it at the end.

    Args:
        directory: for its keys.
        network: the engine's network to join; empty makes one of its own.
    """
    identity = secrets.token_hex(4)
    mark = marks(f"bare-{identity}", str(directory))
    spec = _spec(client, directory, identity, network or f"jarship-bare-{identity}")
    try:
        containers.ensure_network(client, spec.network, mark) if not network else None
        containers.bring_up(client, spec, None)
        _wait(spec.ports[22])
        known = directory / "known_hosts"
        known.touch()
        yield BareHost(
            client=client,
            container=spec.name,
            host=Host(
                name=f"127.0.0.1:{spec.ports[22]}", address="127.0.0.1", port=spec.ports[22], user="deploy"
            ),
            name=spec.hostname,
            registry_port=spec.ports[REGISTRY_PORT],
            key=directory / "id",
            known_hosts=known,
        )
    finally:
        containers.remove_everything(client, f"{labels.SANDBOX}=bare-{identity}")


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
                if sock.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise TimeoutError("the bare host's sshd does not greet")


def _spec(client: docker.DockerClient, directory: Path, identity: str, network: str) -> Spec:
    image = _image(client)
    mark = marks(f"bare-{identity}", str(directory))
    public = ensure_key(directory / "id")
    ensure_key(directory / "host.key")
    ports = free_ports(identity, ())
    return Spec(
        name=f"jarship-bare-{identity}",
        sandbox=f"bare-{identity}",
        home=str(directory),
        image=image,
        hostname=f"bare-{identity}",
        network=network,
        ports={22: next(ports), REGISTRY_PORT: next(ports)},
        volume_at="/var/lib/docker",
        files=(
            File(
                path="/etc/ssh/ssh_host_ed25519_key",
                content=(directory / "host.key").read_bytes(),
                mode=0o600,
            ),
            File(path="/home/deploy/.ssh/authorized_keys", content=public.encode(), mode=0o600, uid=1000),
            File(
                path="/usr/local/sbin/cgroups",
                content=(ROOT / "docker/sandbox/host/cgroups").read_bytes(),
                mode=0o755,
            ),
        ),
        confinement=containers.confinement(client, image, mark),
        cgroups="1" if str(client.info().get("CgroupVersion")) == "1" else "2",
    )


def _image(client: docker.DockerClient) -> str:
    """The image, built once; its tag is the hash of what it is made of."""
    hub = images.hub_answers(client)
    base = images.HUB_BASE if hub else images.base_reference()
    present = {tag for image in client.api.images() for tag in image.get("RepoTags") or ()}
    if base not in present:
        images.pull(client, base, Stream()) if hub else images.build_base(client, base, Stream(), "auto")
    content = hashlib.sha256(base.encode())
    for file in sorted(DIRECTORY.iterdir()):
        content.update(file.read_bytes())
    image = f"{images.PREFIX}bare:{content.hexdigest()[:12]}"
    if image not in present:
        client.images.build(
            path=str(DIRECTORY),
            tag=image,
            buildargs={"BASE": base},
            labels={labels.SANDBOX_IMAGE: "bare"},
            rm=True,
            forcerm=True,
        )
    return image
