"""What several keys must be together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.values.addresses import same_host
from deploy.values.confinement import TMP
from deploy.values.inventory import Host
from deploy.values.keys import APP_ENV, SECRET
from deploy.values.mounts import mount_of
from deploy.values.secret_files import TARGET


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the user wrote."""

    values: Mapping[str, Any]
    """By key, those that are right for themselves."""
    keys: frozenset[str]
    """Also of those that are wrong."""

    def both(self, *keys: str) -> bool:
        """Whether all of these were given and are right for themselves."""
        return all(key in self.values for key in keys)


def broken_rules(given: Given) -> Iterator[tuple[str, str]]:
    """Each broken rule, as the key to blame and what is wrong with it, what to write."""
    for rule in (_source, _image, _sandbox, _registry, _hosts, _container, _variables):
        yield from rule(given)


def _source(given: Given) -> Iterator[tuple[str, str]]:
    if given.both("APP_SOURCE", "APP_GIT_URL"):
        yield "APP_GIT_URL", "set APP_SOURCE or APP_GIT_URL, not both"
    if not {"APP_SOURCE", "APP_GIT_URL"} & given.keys:
        yield "APP_SOURCE", "required, write APP_SOURCE=directory or APP_GIT_URL=url"
    if given.both("APP_SOURCE", "APP_GIT_REF") and "APP_GIT_URL" not in given.keys:
        yield "APP_GIT_REF", "means nothing with APP_SOURCE; write APP_GIT_URL or remove it"


def _image(given: Given) -> Iterator[tuple[str, str]]:
    if given.values.get("CDS") and "DOCKERFILE" in given.keys:
        yield "CDS", "class data are of Jarship's own layers; remove CDS or DOCKERFILE"
    if given.values.get("CDS") and len(given.values.get("PLATFORM", ())) > 1:
        yield "CDS", "means running the application, which this machine can for one platform; remove it"


def _sandbox(given: Given) -> Iterator[tuple[str, str]]:
    if not given.both("REGISTRY", "HOSTS"):
        return
    registry, hosts = given.values["REGISTRY"] == "sandbox", not given.values["HOSTS"]
    if hosts and not registry:
        yield "REGISTRY", "HOSTS=sandbox needs REGISTRY=sandbox: its hosts know no other registry"
    if registry and not hosts:
        yield "REGISTRY", "REGISTRY=sandbox needs HOSTS=sandbox: hosts elsewhere do not reach it"
    if registry and "REGISTRY_FOR_HOSTS" in given.keys:
        yield "REGISTRY_FOR_HOSTS", "means nothing with REGISTRY=sandbox; remove it"
    if registry and "REGISTRY_TRUST" in given.keys:
        yield "REGISTRY_TRUST", "means nothing with REGISTRY=sandbox, whose hosts know it; remove it"
    if hosts and "BALANCERS" in given.keys:
        yield "BALANCERS", "means nothing with HOSTS=sandbox; remove it"


def _registry(given: Given) -> Iterator[tuple[str, str]]:
    # A user without password is fine: the password may be there only in the steps that need it.
    if given.values.get("REGISTRY") == "sandbox":
        return
    if "REGISTRY_PASSWORD" in given.keys and "REGISTRY_USER" not in given.keys:
        yield "REGISTRY_PASSWORD", "needs REGISTRY_USER"
    trust = given.values.get("REGISTRY_TRUST")
    if trust == "tunnel" and "REGISTRY_FOR_HOSTS" in given.keys:
        yield "REGISTRY_FOR_HOSTS", "means nothing with REGISTRY_TRUST=tunnel; remove it"
    if trust != "tunnel" and "REGISTRY_TUNNEL_PORT" in given.keys:
        yield "REGISTRY_TUNNEL_PORT", "means nothing without REGISTRY_TRUST=tunnel"
    if trust == "ca" and "REGISTRY_CA" not in given.keys:
        yield "REGISTRY_TRUST", "ca needs REGISTRY_CA, the file that hosts are to have"
    if trust == "insecure" and "REGISTRY_CA" in given.keys:
        yield "REGISTRY_TRUST", "insecure means plain HTTP, where REGISTRY_CA means nothing; remove one"


def _hosts(given: Given) -> Iterator[tuple[str, str]]:
    hosts: tuple[Host, ...] = given.values.get("HOSTS", ())
    balancers: tuple[Host, ...] = given.values.get("BALANCERS", ())
    for position, balancer in enumerate(balancers, start=1):
        if any(same_host(balancer, host) for host in hosts):
            yield f"BALANCERS[{position}]", "listed twice, for it is in HOSTS too; each serves APP_PORT"


def _container(given: Given) -> Iterator[tuple[str, str]]:
    yield from _read_only(given)
    yield from _secrets(given)
    if not given.both("LOG_FILE", "MOUNTS"):
        return
    mount = mount_of(given.values["LOG_FILE"], given.values["MOUNTS"])
    if mount and mount.read_only:
        yield "LOG_FILE", f"lies in {mount.target}, which MOUNTS makes read-only"


def _read_only(given: Given) -> Iterator[tuple[str, str]]:
    """A read-only root leaves /tmp and MOUNTS to write."""
    if not given.values.get("READ_ONLY") or ("MOUNTS" in given.keys and "MOUNTS" not in given.values):
        return
    mounts = given.values.get("MOUNTS", ())
    if given.values.get("TMP_SIZE") == 0 and not any(mount.target == TMP for mount in mounts):
        yield "TMP_SIZE", "0 leaves no /tmp that can be written when READ_ONLY=true; Java and Tomcat need one"
    log = given.values.get("LOG_FILE")
    if log and not log.startswith(f"{TMP}/") and not mount_of(log, mounts):
        yield "LOG_FILE", "cannot be written when READ_ONLY=true; put its directory into MOUNTS"


def _secrets(given: Given) -> Iterator[tuple[str, str]]:
    if given.values.get("SECRETS_AS") == "files" and mount_of(TARGET, given.values.get("MOUNTS", ())):
        yield "MOUNTS", f"hides {TARGET}, where SECRETS_AS=files has its files"


def _variables(given: Given) -> Iterator[tuple[str, str]]:
    for key in sorted(given.keys):
        name = key.removeprefix(SECRET)
        if key.startswith(SECRET) and APP_ENV + name in given.keys:
            yield key, f"and {APP_ENV}{name} would both reach the container as {name}; remove one"
