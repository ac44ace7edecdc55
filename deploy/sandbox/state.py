"""What a sandbox remembers between commands: its id, its ports and its keys, in `.jarship/sandbox/`."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

Confinement = Literal["privileged", "capabilities"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class HostState(_Frozen):
    """One host container."""

    name: str
    ssh_port: int
    """Where this machine reaches its sshd, on 127.0.0.1."""
    app_port: int
    """Where this machine reaches its APP_PORT, on 127.0.0.1."""
    host_key: str
    """The public key of its sshd, as known_hosts writes it."""


class State(_Frozen):
    """The content of `state.json`."""

    format: Literal[1] = 1
    id: str
    """Part of every name; eight hexadecimal digits."""
    home: str
    """The directory this state was made in: a copied clone is another clone."""
    confinement: Confinement | None = None
    """How host containers get the rights of a nested engine; None before it was tried."""
    cgroups: Literal["1", "2"] | None = None
    """The version of cgroups that the engine runs on; None before it was asked."""
    hub: bool | None = None
    """Whether the images came from Docker Hub; None before it was tried."""
    asked: int | None = None
    """The number of hosts that `sandbox.up --hosts` asked for."""
    setting: int = 0
    """SANDBOX_HOSTS at that time."""
    registry_port: int
    """Where this machine reaches the registry, on 127.0.0.1."""
    hosts: tuple[HostState, ...] = ()

    def ports(self) -> frozenset[int]:
        """Every port of 127.0.0.1 that it uses."""
        return frozenset(
            [self.registry_port, *(port for host in self.hosts for port in (host.ssh_port, host.app_port))]
        )


class Home:
    """The directory that holds a sandbox's state and keys; readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.key = self.path / "id_ed25519"
        self.known_hosts = self.path / "known_hosts"
        self._state = self.path / "state.json"

    def host_key(self, host: str) -> Path:
        """The private key of a host's sshd: it stays the same when its container is made anew."""
        return self.path / f"{host}.key"

    def load(self) -> State | None:
        """What is remembered; None when there is nothing, or it was copied from another place."""
        try:
            state = State.model_validate_json(self._state.read_text())
        except (FileNotFoundError, ValidationError):
            return None
        return state if state.home == str(self.path) else None

    def save(self, state: State) -> None:
        """Remember, and write known_hosts for the hosts."""
        self.make()
        lines = [f"[127.0.0.1]:{host.ssh_port} {host.host_key}\n" for host in state.hosts]
        write(self.known_hosts, "".join(lines))
        write(self._state, state.model_dump_json(indent=2) + "\n")

    def make(self) -> None:
        """Make the directory."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off other processes that change the same sandbox; waits for them."""
        self.make()
        with (self.path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def remove(self) -> None:
        """Forget everything."""
        if self.path.is_dir():
            for file in self.path.iterdir():
                file.unlink()
            self.path.rmdir()


def new_id() -> str:
    """An id that no other sandbox has."""
    return secrets.token_hex(4)


def write(file: Path, text: str) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    partial.replace(file)
