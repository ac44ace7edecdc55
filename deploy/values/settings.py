"""The settings of a profile, put together from the groups of keys in `deploy.values.groups`."""

from collections.abc import Mapping
from typing import Literal

from deploy.values.groups.application import ApplicationKeys
from deploy.values.groups.container import ContainerKeys
from deploy.values.groups.hosts import HostsKeys
from deploy.values.groups.image import ImageKeys
from deploy.values.groups.machine import MachineKeys
from deploy.values.groups.registry import RegistryKeys
from deploy.values.groups.rollout import RolloutKeys
from deploy.values.inventory import Access, Inventory
from deploy.values.keys import is_secret

SANDBOX = "sandbox"
"""The value of REGISTRY and HOSTS that means the embedded sandbox."""


class Settings(ApplicationKeys, ImageKeys, RegistryKeys, HostsKeys, ContainerKeys, RolloutKeys, MachineKeys):
    """The settings of one profile, checked. Attributes are the keys in lower case.

    Made by `deploy.profiles.load`; each key's text form, documentation and example are its `Key`.
    """

    profile: str

    origins: Mapping[str, str] = {}
    """By key: `file:line`, `environment` or `default`."""
    notes: tuple[str, ...] = ()
    """What to tell the user about where the settings came from, once, before the work."""

    @property
    def trust(self) -> Literal["ca", "insecure", "system", "tunnel"]:
        """REGISTRY_TRUST, or what it means to leave it out."""
        return self.registry_trust or ("ca" if self.registry_ca else "system")

    @property
    def registry_at_hosts(self) -> str:
        """The registry as the hosts know it; through a tunnel it is on their own loopback."""
        if self.trust == "tunnel":
            return f"127.0.0.1:{self.registry_tunnel_port}"
        return self.registry_for_hosts or self.registry

    def secret_values(self) -> frozenset[str]:
        """Every text that must never be shown; each line of a secret of several lines too."""
        found = [value.get_secret_value() for value in self.secrets.values()]
        found += [value for name, value in self.app_env.items() if is_secret(name)]
        found += [key.get_secret_value() for key in (self.app_git_token, self.registry_password) if key]
        lines = [line for text in found for line in text.splitlines() if len(line) > 7]
        return frozenset(text for text in (*found, *lines) if text)

    def inventory(self) -> Inventory:
        """The hosts of the profile, and how SSH gets in."""
        access = Access(key=self.ssh_key, known_hosts=self.ssh_known_hosts)
        return Inventory(hosts=self.hosts, balancers=self.balancers, access=access)
