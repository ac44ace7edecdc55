"""The hosts of a profile."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class Host:
    """A host to deploy to, as `[user@]host[:port][=ADDRESS]` names it.

    `name` is what people read: the address, with the port when it is not 22; unique in an inventory.
    """

    name: str
    address: str
    port: int = 22
    user: str | None = None
    """None leaves the choice to the SSH configuration, and then to the local user's name."""
    reached_at: str | None = None
    """ADDRESS: where balancers and users reach its APP_PORT; None means `address`."""
    url: str = ""
    """What the summary prints, such as `http://192.0.2.10:8080`."""

    @property
    def place(self) -> str:
        """Where it is, whatever it is called and whoever logs in."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Access:
    """How SSH gets in: the same for every host of an inventory."""

    key: str | None = None
    """Path of a private key; None leaves it to the SSH agent and the default keys."""
    known_hosts: str | None = None
    """Path of a known_hosts file; None means the user's and the system's."""


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The application hosts of a profile, in the order of HOSTS, and the balancers before them."""

    hosts: tuple[Host, ...]
    balancers: tuple[Host, ...] = ()
    access: Access = Access()

    def every(self) -> tuple[Host, ...]:
        """Application hosts and balancers."""
        return self.hosts + self.balancers
