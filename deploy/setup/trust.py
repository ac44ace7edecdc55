"""How a host's engine comes to trust the registry: what must be there for it, and whether it is.

`ca`: the authority's certificate lies where Docker looks for it, read anew at each connection. `insecure`:
the engine lists the registry among those that it speaks plain HTTP to. `system`: as the host is. `tunnel`: it
needs not, for what it pulls comes through the SSH connection, on its own loopback.

Sources: docs.docker.com/engine/security/certificates/, docs.docker.com/reference/cli/dockerd/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deploy import plain_http
from deploy.values.errors import InputError
from deploy.values.settings import Settings

CERTIFICATES = "/etc/docker/certs.d"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s*([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What hosts are to trust."""

    kind: Literal["ca", "insecure", "system", "tunnel"]
    registry: str
    """`host[:port]`, as the engine in question knows it."""
    authority: str = ""
    """For `ca`: the content of REGISTRY_CA."""

    @property
    def ca_file(self) -> str:
        """Where Docker looks for the authority's certificate; empty unless it is to be there."""
        return f"{CERTIFICATES}/{self.registry}/ca.crt" if self.kind == "ca" else ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What an engine was seen to trust."""

    registry_config: Mapping[str, Any]
    """`RegistryConfig` of its `info`."""
    ca: str | None = None
    """What is in `ca_file`; empty when it is missing, None when it was not seen."""


def of_hosts(settings: Settings) -> Trust:
    """What the hosts of a profile are to trust.

    Raises:
        InputError: REGISTRY_CA cannot be read, or holds no certificate.
    """
    if settings.trust == "tunnel":
        return Trust(kind="tunnel", registry=settings.registry_at_hosts)
    return _trust(settings, settings.registry_at_hosts)


def of_this_machine(settings: Settings) -> Trust:
    """What the engine that builds and pushes is to trust.

    Raises:
        InputError: REGISTRY_CA cannot be read, or holds no certificate.
    """
    return _trust(settings, settings.registry)


def lack(trust: Trust, seen: Seen) -> str:
    """Why an engine does not trust the registry as wished; empty when it does, or nobody can tell."""
    if plain_http.is_loopback(trust.registry):
        return ""  # Docker speaks to it however it can, and checks no certificate.
    if trust.kind == "ca" and seen.ca is not None:
        if not seen.ca:
            return f"{trust.ca_file} is missing, so its Docker does not trust {trust.registry}."
        if not certificates(trust.authority) <= certificates(seen.ca):
            return f"{trust.ca_file} is another certificate than REGISTRY_CA."
    if trust.kind == "ca" and lists(seen.registry_config, trust.registry):
        return (
            f"its Docker lists {trust.registry} in insecure-registries, so it would not check certificates."
        )
    if trust.kind == "insecure" and not plain_http.allowed(
        trust.registry, {"RegistryConfig": seen.registry_config}
    ):
        return f"its Docker does not list {trust.registry} in insecure-registries, and would insist on TLS."
    return ""


def lists(registry_config: Mapping[str, Any], registry: str) -> bool:
    """Whether an engine lists a registry, by its own name, as one without TLS."""
    index = (registry_config.get("IndexConfigs") or {}).get(registry) or {}
    return not index.get("Secure", True)


def certificates(text: str) -> frozenset[str]:
    """The certificates of a PEM text, as their Base64 without line ends."""
    return frozenset("".join(found.split()) for found in _PEM.findall(text))


def _trust(settings: Settings, registry: str) -> Trust:
    kind = settings.trust
    if kind == "tunnel":  # of a machine that reaches the registry itself
        kind = "ca" if settings.registry_ca else "system"
    if kind != "ca":
        return Trust(kind=kind, registry=registry)
    return Trust(kind="ca", registry=registry, authority=_authority(settings.registry_ca or ""))


def _authority(file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"REGISTRY_CA={file} cannot be read.",
            why=str(getattr(error, "strerror", None) or error),
            advice="Give it the certificate of the authority that signed the registry's, as PEM.",
        ) from error
    if not certificates(text):
        raise InputError(
            f"REGISTRY_CA={file} holds no certificate.",
            why="there is no -----BEGIN CERTIFICATE----- in it",
            advice="Give it the certificate of the authority that signed the registry's, as PEM.",
        )
    if "PRIVATE KEY-----" in text:
        raise InputError(
            f"REGISTRY_CA={file} holds a private key, which no host is to see.",
            advice="Give it the certificate alone.",
        )
    return text
