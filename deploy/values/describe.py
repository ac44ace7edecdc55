"""Settings as text, for people and for `--json`: what each is, and where it came from. Secrets are masked."""

from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from deploy.values.addresses import format_host
from deploy.values.inventory import Host
from deploy.values.keys import APP_ENV, SECRET, is_secret
from deploy.values.known import known_keys
from deploy.values.settings import SANDBOX, Settings
from deploy.values.sizes import format_cpus, format_memory

MASKED = "****"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting."""

    key: str
    value: str | None
    """As a settings file would have it; None when it is not set and there is no default."""
    origin: str
    """`file:line`, `environment` or `default`."""


def describe(settings: Settings) -> tuple[Row, ...]:
    """Every key in the order of the documentation, then what the application gets, by name."""
    values = {key: text_of(key, getattr(settings, key.lower())) for key in known_keys()}
    if settings.hosts_sandbox:
        values["HOSTS"] = SANDBOX
    for name, value in sorted(settings.app_env.items()):
        values[APP_ENV + name] = MASKED if is_secret(name) else value
    values |= dict.fromkeys((SECRET + name for name in sorted(settings.secrets)), MASKED)
    return tuple(Row(key=key, value=value, origin=settings.origins[key]) for key, value in values.items())


def text_of(key: str, value: Any) -> str | None:
    """The text that reads as this value of a key; None for no value, the mask for a secret."""
    if value is None or value == ():
        return None
    if isinstance(value, SecretStr):
        return MASKED
    if isinstance(value, tuple):
        return ",".join(format_host(entry) if isinstance(entry, Host) else str(entry) for entry in value)
    if isinstance(value, bool):
        return str(value).lower()
    if key in {"MEMORY", "TMP_SIZE"}:
        return format_memory(value) if value else "0"
    return format_cpus(value) if key == "CPUS" else str(value)
