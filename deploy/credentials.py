"""The credentials of a registry: from the settings, else what `docker login` and credential helpers hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from docker import auth
from docker.errors import DockerException

from deploy.values.errors import InputError
from deploy.values.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user's name with a password, or an identity token that a token service takes instead."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    def auth_config(self) -> dict[str, str]:
        """What the Engine API takes in a push or pull call."""
        if self.identity_token:
            return {"identitytoken": self.identity_token}
        return {"username": self.user, "password": self.password}


def find(address: str, user: str | None, password: str | None) -> Credentials | None:
    """The credentials for a registry; None when there are none.

    Args:
        address: the registry's `host:port`.
        user: REGISTRY_USER, which decides when it is set.
        password: REGISTRY_PASSWORD.

    Raises:
        InputError: there is a user without password; the Docker configuration or its credential helper
            cannot be read.
    """
    if user and not password:
        raise InputError(
            f"There is no password for {user} at {address}.",
            why="REGISTRY_USER is set and REGISTRY_PASSWORD is not.",
            advice="Set JARSHIP_REGISTRY_PASSWORD, or REGISTRY_PASSWORD in .env or .env.<profile>.local.",
        )
    if user:
        return Credentials(user=user, password=password or "")
    try:
        entry = auth.load_config().resolve_authconfig(address)
    except DockerException as error:
        raise InputError(
            f"The Docker configuration's credentials for {address} cannot be read.",
            why=str(error),
            advice=f"Set REGISTRY_USER and REGISTRY_PASSWORD, or mend it with: docker login {address}",
        ) from error
    return _from_docker({key.lower(): value for key, value in (entry or {}).items()})


def for_pulls(settings: Settings) -> Mapping[str, str] | None:
    """What travels with each pull on a host; None when there are no credentials.

    Raises:
        InputError: as `find` does.
    """
    password = settings.registry_password.get_secret_value() if settings.registry_password else None
    login = find(settings.registry, settings.registry_user, password)
    return login.auth_config() if login else None


def _from_docker(entry: dict[str, str | None]) -> Credentials | None:
    # Helpers answer with capital keys (Username), the file with small ones; an entry may be empty.
    token = entry.get("identitytoken")
    if token:
        return Credentials(identity_token=token)
    user = entry.get("username")
    return Credentials(user=user, password=entry.get("password") or "") if user else None
