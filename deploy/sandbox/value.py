"""A sandbox as the rest of the program sees it: an inventory, a registry and two images."""

from dataclasses import dataclass
from pathlib import Path

from deploy.sandbox.state import Home, State
from deploy.values.inventory import Host
from deploy.values.settings import SANDBOX, Settings

USER = "deploy"
REGISTRY = "registry"
REGISTRY_FOR_HOSTS = f"{REGISTRY}:5000"
"""How hosts know the registry; their engines are told that it speaks plain HTTP."""


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A sandbox that is up."""

    id: str
    home: Path
    """The directory with its state, key and known_hosts."""
    registry: str
    """`127.0.0.1:PORT`, as this machine reaches it."""
    hosts: tuple[Host, ...]
    key: Path
    known_hosts: Path
    base_image: str | None
    """The stand-in for BASE_IMAGE; None where Docker Hub answers."""
    proxy_image: str | None
    """The stand-in for PROXY_IMAGE; None where Docker Hub answers."""

    def container(self, name: str) -> str:
        """The name of the container of a host, or of `registry`."""
        return container_name(self.id, name)

    def apply(self, settings: Settings) -> Settings:
        """The settings with this sandbox for the word `sandbox`, and stand-ins for images nobody set."""
        update: dict[str, object] = {}
        if settings.registry == SANDBOX:
            update |= {"registry": self.registry, "registry_for_hosts": REGISTRY_FOR_HOSTS}
            # It has no users; nobody's password is sent to it.
            update |= {"registry_user": None, "registry_password": None, "registry_ca": None}
            update["registry_trust"] = "insecure"
        if settings.hosts_sandbox:
            update |= {
                "hosts": self.hosts,
                "ssh_key": str(self.key),
                "ssh_known_hosts": str(self.known_hosts),
            }
        for key, stand_in in (("base_image", self.base_image), ("proxy_image", self.proxy_image)):
            if stand_in and is_default(settings, key):
                update[key] = stand_in
        origins = {**settings.origins, **{key.upper(): SANDBOX for key, value in update.items() if value}}
        return settings.model_copy(update={**update, "origins": origins})


def is_default(settings: Settings, key: str) -> bool:
    """Whether nobody set a key (given in lower case)."""
    return settings.origins.get(key.upper(), "default") == "default"


def container_name(sandbox: str, name: str) -> str:
    """The name of a sandbox's container, and of its volume."""
    return f"jarship-{sandbox}-{name}"


def registry_address(state: State) -> str:
    """How this machine reaches a sandbox's registry."""
    return f"127.0.0.1:{state.registry_port}"


def sandbox_of(state: State, home: Home, *, base_image: str | None, proxy_image: str | None) -> Sandbox:
    """The sandbox that a state describes."""
    hosts = tuple(
        Host(
            name=host.name,
            address="127.0.0.1",
            port=host.ssh_port,
            user=USER,
            url=f"http://127.0.0.1:{host.app_port}",
        )
        for host in state.hosts
    )
    return Sandbox(
        id=state.id,
        home=home.path,
        registry=registry_address(state),
        hosts=hosts,
        key=home.key,
        known_hosts=home.known_hosts,
        base_image=base_image,
        proxy_image=proxy_image,
    )
