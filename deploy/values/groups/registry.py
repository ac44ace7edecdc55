"""The registry, how it is reached and trusted."""

from typing import Annotated, Literal

from pydantic import SecretStr

from deploy.values import addresses, names
from deploy.values.groups.base import Keys
from deploy.values.keys import Key
from deploy.values.mounts import parse_local_path


class RegistryKeys(Keys):
    """The registry, how it is reached and trusted."""

    registry: Annotated[
        str,
        Key(
            group="Registry",
            doc="The registry, as this machine reaches it; sandbox is the embedded one.",
            example="registry.example.com:5000",
            parse=addresses.parse_registry,
        ),
    ]
    registry_for_hosts: Annotated[
        str | None,
        Key(
            group="Registry",
            doc="The same registry as the hosts reach it; left out, as REGISTRY.",
            example="192.0.2.5:5000",
            parse=addresses.parse_registry_address,
        ),
    ] = None
    registry_user: Annotated[
        str | None,
        Key(
            group="Registry",
            doc="User at the registry; left out, no login.",
            example="deployer",
            parse=names.parse_login,
        ),
    ] = None
    registry_password: Annotated[
        SecretStr | None,
        Key(
            group="Registry",
            doc="Password of REGISTRY_USER; sent with each request and stored nowhere.",
            example="<password>",
            parse=SecretStr,
        ),
    ] = None
    registry_ca: Annotated[
        str | None,
        Key(
            group="Registry",
            doc="File with the certificate authority that signed the registry's certificate.",
            example="certs/registry-ca.crt",
            parse=parse_local_path,
        ),
    ] = None
    registry_trust: Annotated[
        Literal["ca", "insecure", "system", "tunnel"] | None,
        Key(
            group="Registry",
            doc="How hosts trust the registry: ca (by REGISTRY_CA's file), insecure (plain HTTP, as their "
            "daemon.json lists), system (as they are), tunnel (not at all: they pull through this machine); "
            "left out, ca with REGISTRY_CA, else system.",
            example="insecure",
            parse=names.one_of("ca", "insecure", "system", "tunnel"),
        ),
    ] = None
    registry_tunnel_port: Annotated[
        int,
        Key(
            group="Registry",
            doc="Port of the hosts' loopback where they find the registry with REGISTRY_TRUST=tunnel.",
            example="15001",
            parse=addresses.parse_port,
        ),
    ] = 15000
