"""A registry on a host, in a container: started, stopped, looked at, cleaned up."""

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.types import LogConfig

from deploy.setup import registry_config as inside
from deploy.setup.authority import RENEW_DAYS, Certificate
from deploy.values import labels
from deploy.values.errors import HostError
from deploy.values.events import Stream

NAME = "jarship-registry"
"""Of the container and of its volume: one registry a host."""
STEP = "registry"
_ROTATED = LogConfig(type="json-file", config={"max-size": "10m", "max-file": "3"})
_STOP_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Server:
    """What a registry should be."""

    image: str
    port: int
    """Of the host."""
    address: str = ""
    """Of the host; empty for all."""
    users: str = field(default="", repr=False)
    """The content of its password file; empty lets everybody in."""
    certificate: Certificate | None = None
    """None for plain HTTP."""
    signed: tuple[str, ...] = ()
    """What its certificate depends on: who signed it for which names, or, when it was given, itself."""

    @property
    def config(self) -> str:
        """Its configuration."""
        return inside.config(tls=self.certificate is not None, users=bool(self.users))

    def digest(self) -> str:
        """A hash of all that shapes its container, but for a certificate that is another one each time."""
        parts = (self.image, self.port, self.address, self.users, self.config, self.signed)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Running:
    """A registry's container, as it was found."""

    id: str
    state: str
    image: str
    digest: str
    """Hash of what it was made from; empty when somebody else made it."""
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Its configuration, users and certificate by path, those that are there; never its key."""

    @property
    def certificate(self) -> x509.Certificate | None:
        """The certificate that it shows; None without TLS."""
        text = self.files.get(inside.CERTIFICATE)
        return x509.load_pem_x509_certificate(text.encode()) if text else None


def find(client: DockerClient, name: str = NAME) -> Running | None:
    """The registry of a host, if there is one."""
    try:
        seen = client.api.inspect_container(name)
    except NotFound:
        return None
    paths = (inside.CONFIG, inside.USERS, inside.CERTIFICATE)
    return Running(
        id=seen["Id"],
        state=seen["State"]["Status"],
        image=seen["Config"]["Image"],
        digest=(seen["Config"]["Labels"] or {}).get(labels.REGISTRY, ""),
        files={path: text for path in paths if (text := _read(client, name, path)) is not None},
    )


def is_as_wanted(server: Server, running: Running | None, *, now: Any) -> bool:
    """Whether there is nothing to do, for a while: its certificate does not end soon either."""
    if running is None or running.state != "running" or running.digest != server.digest():
        return False
    if running.files.get(inside.CONFIG) != server.config:
        return False  # A clean-up that was killed left it read-only.
    ends = running.certificate.not_valid_after_utc if running.certificate else None
    return ends is None or (ends - now).days >= RENEW_DAYS


def start(client: DockerClient, server: Server, running: Running | None) -> None:
    """Start a registry in place of one that is there; what is stored stays, in its volume.

    Raises:
        HostError: the port is taken, or the container does not start.
    """
    if running is not None:
        client.api.stop(running.id, timeout=_STOP_SECONDS)
        client.api.remove_container(running.id, force=True)
    mark = {labels.REGISTRY: server.digest()}
    client.api.create_volume(NAME, labels={labels.REGISTRY: "data"})
    client.api.create_container(
        server.image,
        name=NAME,
        # The same program in registry:2, registry:3 and Debian's; the images' entry points differ.
        entrypoint=["/bin/registry"],
        command=["serve", inside.CONFIG],
        labels=mark,
        ports=[inside.PORT],
        host_config=client.api.create_host_config(
            port_bindings={inside.PORT: (server.address or None, server.port)},
            binds=[f"{NAME}:{inside.STORAGE}"],
            restart_policy={"Name": "unless-stopped"},
            log_config=_ROTATED,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            pids_limit=256,
        ),
    )
    client.api.put_archive(NAME, "/", _archive(_files(server)))
    try:
        client.api.start(NAME)
    except APIError as error:
        client.api.remove_container(NAME, force=True)
        raise HostError(
            "The registry does not start.",
            why=str(error.explanation or error),
            advice=f"Is something else on port {server.port} there? sudo ss -ltnp sport = :{server.port}",
            step=STEP,
        ) from error


def remove(client: DockerClient, *, data: bool) -> bool:
    """Remove a host's registry; whether there was one.

    Args:
        data: remove what is stored, too.
    """
    there = find(client) is not None
    if there:
        client.api.stop(NAME, timeout=_STOP_SECONDS)
        client.api.remove_container(NAME, force=True)
    if data:
        try:
            client.api.remove_volume(NAME)
        except NotFound:
            return there
    return there


def run(client: DockerClient, *argv: str, name: str = NAME) -> str:
    """Run a command inside a registry's container; gives what it printed.

    Raises:
        HostError: it failed.
    """
    made = client.api.exec_create(name, list(argv))
    said = client.api.exec_start(made["Id"]).decode(errors="replace")
    code = client.api.exec_inspect(made["Id"])["ExitCode"]
    if code:
        raise HostError(
            f"`{argv[0]} {argv[1]}` failed in the registry's container with exit code {code}.",
            details=said.splitlines()[-20:],
            step=STEP,
        )
    return said


@contextmanager
def read_only(client: DockerClient, stream: Stream, name: str = NAME) -> Iterator[None]:
    """A registry that takes no changes meanwhile; it is started again at both ends.

    The second start also makes it forget what it remembers of blobs that are gone.

    Raises:
        HostError: its configuration is not one that `registry.up` wrote.
    """
    before = _read(client, name, inside.CONFIG) or ""
    try:
        during, after = inside.with_read_only(before, True), inside.with_read_only(before, False)
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"The configuration of {name} is not one that `registry.up` wrote; it is left as it is.",
            why=str(error),
            advice="Clean it up by hand: switch storage.maintenance.readonly on, restart it, run `registry "
            "garbage-collect` inside, switch it off, restart it.",
            step=STEP,
        ) from error
    try:
        _reconfigure(client, name, during)
        stream.note(f"{name} is read-only now.", step=STEP)
        yield
    finally:
        _reconfigure(client, name, after)
        stream.note(f"{name} takes changes again.", step=STEP)


def collect(client: DockerClient, name: str = NAME) -> int:
    """Remove what no manifest refers to any more; only while `read_only`. Gives how many blobs went."""
    said = run(client, "/bin/registry", "garbage-collect", inside.CONFIG, name=name)
    return sum(line.startswith("blob eligible for deletion") for line in said.splitlines())


def _reconfigure(client: DockerClient, name: str, config: str) -> None:
    client.api.put_archive(name, "/", _archive({inside.CONFIG: (config, 0o644)}))
    client.api.restart(name, timeout=_STOP_SECONDS)


def _files(server: Server) -> dict[str, tuple[str, int]]:
    files = {inside.CONFIG: (server.config, 0o644)}
    if server.users:
        files[inside.USERS] = (server.users, 0o600)
    if server.certificate:
        files[inside.CERTIFICATE] = (server.certificate.chain, 0o644)
        files[inside.KEY] = (server.certificate.key, 0o600)
    return files


def _archive(files: Mapping[str, tuple[str, int]]) -> bytes:
    """A tar of texts by path, each with its mode, all root's."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path, (text, mode) in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(path.removeprefix("/"))
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def _read(client: DockerClient, name: str, path: str) -> str | None:
    """A file of a container, running or not; None when it is not there."""
    try:
        chunks, _ = client.api.get_archive(name, path)
    except NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        return member.read().decode() if member else None
