"""Where plain HTTP to a registry is allowed: loopback, and what the local engine lists as insecure."""

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from deploy.values.reference import split_host


def is_loopback(registry: str) -> bool:
    """Whether a registry's `host[:port]` names this machine itself; asks no DNS."""
    host = split_host(registry)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed(registry: str, info: Mapping[str, Any] | None) -> bool:
    """Whether plain HTTP may be spoken to a registry, by the engine's own rules.

    Args:
        registry: `host[:port]`.
        info: the local engine's `info`; None when there is no engine, which leaves loopback.
    """
    if is_loopback(registry):
        return True
    config = (info or {}).get("RegistryConfig") or {}
    index = (config.get("IndexConfigs") or {}).get(registry)
    if index is not None:
        return not index.get("Secure", True)
    networks = [ipaddress.ip_network(text) for text in config.get("InsecureRegistryCIDRs") or ()]
    beyond_loopback = [network for network in networks if not network.is_loopback]
    return bool(beyond_loopback) and _within(_addresses(split_host(registry)), beyond_loopback)


def _within(
    addresses: Iterable[str], networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> bool:
    return any(ipaddress.ip_address(address) in network for address in addresses for network in networks)


def _addresses(host: str) -> set[str]:
    if re.fullmatch(r"[0-9.]+|[0-9a-f:.]*:[0-9a-f:.]*", host):
        return {host}
    try:
        return {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def mending_line(registry: str, daemon_json: str = "/etc/docker/daemon.json", *, listed: bool = True) -> str:
    """One shell line that adds a registry to the engine's `insecure-registries` and keeps all that is there.

    With `listed` false the line takes it out instead.

    The engine reads that list again at SIGHUP; no container is restarted. A daemon.json that is not valid
    JSON is left alone: the line then ends in Python's error.
    """
    change = "l+=[r]*(r not in l);" if listed else "l[:]=[x for x in l if x!=r];"
    program = (
        "import json,os,sys;p,r=sys.argv[1:];"
        "d=json.load(open(p)) if os.path.exists(p) else {};"
        f'l=d.setdefault("insecure-registries",[]);{change}'
        "os.makedirs(os.path.dirname(p),exist_ok=True);"
        't=json.dumps(d,indent=2)+"\\n";open(p+".new","w").write(t);os.replace(p+".new",p)'
    )
    reload = 'sudo kill -HUP "$(cat /var/run/docker.pid)"'
    return f"sudo python3 -c '{program}' {daemon_json} {registry} && {reload}"
