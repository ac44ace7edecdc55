"""Look at everything that a release needs, on this machine and on every host; changes nothing."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
from cryptography import x509
from docker.errors import APIError

from deploy import credentials, engine
from deploy.causes import explain
from deploy.gateway import gateway_to, open_gateway
from deploy.hosts.connection import SESSIONS_NEEDED, Connection, connect
from deploy.hosts.engine import through
from deploy.hosts.fleet import on_each
from deploy.hosts.probe import gather
from deploy.registry import Registry, open_registry
from deploy.setup import authority, tls, trust
from deploy.setup.findings import HERE, Finding, Reporter, disk, of_host, trusted
from deploy.setup.machine import jdk_version
from deploy.setup.trust import Seen, Trust
from deploy.setup.wants import wish_of
from deploy.uploads import check_writable
from deploy.values.errors import Failure
from deploy.values.events import Stream
from deploy.values.facts import HostFacts
from deploy.values.inventory import Host
from deploy.values.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What is looked at."""

    settings: Settings
    """With real addresses."""
    root: Path
    environ: Mapping[str, str]
    stream: Stream


def examine(patient: Patient) -> list[Finding]:
    """Look at this machine and all hosts at the same time; findings of this machine first."""
    inventory = patient.settings.inventory()
    places: list[Host | None] = [None, *inventory.every()]
    with patient.stream.step("doctor", f"look at this machine and {len(places) - 1} hosts"):
        found = on_each(places, lambda host: _of(patient, host))
    return [finding for findings in found for finding in findings]


def _of(patient: Patient, host: Host | None) -> list[Finding]:
    return list(_here(patient) if host is None else _host(patient, host))


def _here(patient: Patient) -> Iterator[Finding]:
    report = Reporter(where=HERE)
    settings = patient.settings
    yield report.ok(
        "settings", f"profile {settings.profile}: {settings.app_name}, {len(settings.hosts)} hosts"
    )
    yield from _tools(report, patient)
    yield _key(report, settings)
    free = shutil.disk_usage(patient.root).free
    yield disk(report, free, None, str(patient.root))
    info: Mapping[str, Any] | None = None
    with _told(report, "engine") as failures:
        with closing(engine.local(patient.stream, patient.environ)) as client:
            info = client.info()
        yield report.ok(
            "engine", f"Docker {info['ServerVersion']} on {info['OSType']}/{info['Architecture']}"
        )
        yield trusted(report, _wanted_here(settings), _seen_here(settings, info), settings, local=True)
    yield from failures
    yield from _registry(report, settings, info)


def _tools(report: Reporter, patient: Patient) -> Iterator[Finding]:
    if patient.settings.app_git_url and not shutil.which("git"):
        yield report.error("git", "is missing, and APP_GIT_URL is set", "sudo apt-get install git")
    version = jdk_version(patient.environ)
    if version:
        yield report.ok("jdk", f"version {version}")
    else:
        yield report.warning(
            "jdk",
            "none in PATH or JAVA_HOME: builds have to be made elsewhere",
            "sudo apt-get install openjdk-21-jdk-headless",
        )


def _key(report: Reporter, settings: Settings) -> Finding:
    if settings.ssh_key is None:
        return report.ok("ssh key", "the agent's or the user's usual ones")
    file = Path(settings.ssh_key).expanduser()
    if not file.is_file():
        return report.error("ssh key", f"SSH_KEY={file} is not there", "SSH_KEY names the private key's file")
    if file.stat().st_mode & 0o077:
        return report.warning("ssh key", f"others may read {file}", f"chmod 600 {file}")
    return report.ok("ssh key", str(file))


def _wanted_here(settings: Settings) -> Trust:
    return trust.of_this_machine(settings)


def _seen_here(settings: Settings, info: Mapping[str, Any]) -> Seen:
    wanted = _wanted_here(settings)
    ca: str | None = None
    if wanted.ca_file:
        file = Path(wanted.ca_file)
        try:
            ca = file.read_text() if file.exists() else ""
        except OSError:
            ca = None
    return Seen(registry_config=info.get("RegistryConfig") or {}, ca=ca)


def _registry(report: Reporter, settings: Settings, info: Mapping[str, Any] | None) -> Iterator[Finding]:
    certificate = tls.shown_by(settings.registry)
    with _told(report, "registry") as failures:
        registry = open_registry(settings, info)
        registry.ping()
        login = _login(settings)
        who = f"takes {login.user or 'the token of docker login'}" if login else "asks for no login"
        yield report.ok("registry", f"{settings.registry} answers and {who}")
        check_writable(registry, settings.image)
        yield report.ok("push", f"{settings.image} may be pushed")
    yield from failures
    if certificate is not None:
        yield of_certificate(report, certificate, datetime.now(UTC))


def _login(settings: Settings) -> credentials.Credentials | None:
    password = settings.registry_password.get_secret_value() if settings.registry_password else None
    return credentials.find(settings.registry, settings.registry_user, password)


def of_certificate(report: Reporter, certificate: x509.Certificate, now: datetime) -> Finding:
    """Whether a registry's certificate is valid, and for how long."""
    says = authority.validity(certificate)
    again = "invoke registry.up, or whoever signed it"
    left = (certificate.not_valid_after_utc - now).days
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        return report.error("certificate", f"{says}, and now it is {now:%Y-%m-%d %H:%M:%S}", again)
    if left < authority.RENEW_DAYS:
        return report.warning("certificate", f"{says}: {left} days", again)
    return report.ok("certificate", f"{left} days left")


def _host(patient: Patient, host: Host) -> Iterator[Finding]:
    report = Reporter(where=host.name)
    access = patient.settings.inventory().access
    with ExitStack() as stack:
        with _told(report, "ssh") as failures:
            connection = stack.enter_context(connect(host, access))
        yield from failures
        if failures:
            return
        yield report.ok("ssh", f"{connection.user}, by a pinned host key")
        yield from _channels(report, connection)
        with _told(report, "engine") as failures:
            client = stack.enter_context(closing(through(connection)))
            facts = _facts(patient, connection, client)
        yield from failures
        if failures:
            return
        wish = wish_of(
            patient.settings, trust.of_hosts(patient.settings), serves=host in patient.settings.hosts
        )
        yield from of_host(facts, patient.settings, wish, serves=host in patient.settings.hosts)
        yield from _registry_there(report, patient, connection, client, facts)


def _facts(patient: Patient, connection: Connection, client: docker.DockerClient) -> HostFacts:
    settings = patient.settings
    wish = wish_of(settings, trust.of_hosts(settings), serves=True)
    owner = wish.directories[0] if wish.directories else None
    return gather(
        connection,
        client,
        app_name=settings.app_name,
        ports=[settings.app_port.port],
        mounts=settings.mounts,
        log_file=settings.log_file,
        uid=owner.uid if owner else None,
        gid=owner.gid if owner else None,
        authority=wish.trust.ca_file,
    )


def _channels(report: Reporter, connection: Connection) -> Iterator[Finding]:
    """Forwarding, and as many sessions as a rollout opens."""
    with _told(report, "forwarding") as failures:
        # Whether somebody listens there does not matter, only whether one may ask.
        with suppress(ConnectionRefusedError, TimeoutError):
            connection.open_direct("127.0.0.1", 22, timeout=5).close()
        yield report.ok("forwarding", "health checks reach containers")
    yield from failures
    opened: list[Any] = []
    with _told(report, "sessions") as failures:
        try:
            opened += (connection.open_session("cat") for _ in range(SESSIONS_NEEDED))
        finally:
            for channel in opened:
                channel.close()
        yield report.ok("sessions", f"{SESSIONS_NEEDED} at a time")
    yield from failures


def _registry_there(
    report: Reporter,
    patient: Patient,
    connection: Connection,
    client: docker.DockerClient,
    facts: HostFacts,
) -> Iterator[Finding]:
    """Whether the host's own engine reaches the registry, trusts it and is let in.

    `POST /auth` is the engine's part of `docker login`; it stores nothing. Source: Engine API, SystemAuth.
    """
    settings = patient.settings
    registry = settings.registry_at_hosts
    with _told(report, "registry") as failures, ExitStack() as stack:
        login = _login(settings)
        auth: Mapping[str, str] = login.auth_config() if login else {"username": "", "password": ""}
        gateway = gateway_to(lambda: _registry_of(patient), settings, ())
        if gateway:
            stack.enter_context(open_gateway(connection, gateway))
            auth = gateway.auth_config
        api: Any = client.api
        try:
            api._result(
                api._post_json(api._url("/auth"), data={**auth, "serveraddress": registry}), json=True
            )
        except APIError as error:
            yield _registry_refused(report, registry, str(error.explanation or error), facts, settings)
            return
        yield report.ok("registry", f"its Docker reaches {registry}, and is let in")
    yield from failures


def _registry_of(patient: Patient) -> Registry:
    info: Mapping[str, Any] | None = None
    with suppress(Failure), closing(engine.local(patient.stream, patient.environ)) as client:
        info = client.info()
    return open_registry(patient.settings, info)


def _registry_refused(
    report: Reporter, registry: str, said: str, facts: HostFacts, settings: Settings
) -> Finding:
    cause = explain(said, registry)
    if cause.kind == "certificate":
        certificate = tls.shown_by(settings.registry)
        time = f"{datetime.fromtimestamp(facts.clock, UTC):%Y-%m-%d %H:%M:%S} UTC"
        valid = f"; {authority.validity(certificate)}" if certificate else ""
        said = f"{said} (the host's clock says {time}{valid})"
    elif cause.kind == "unknown-host":
        return report.error("registry", said, "REGISTRY_FOR_HOSTS, when hosts know it by another name")
    advice = cause.advice
    if cause.kind in ("certificate", "plain-http"):
        advice = f"invoke host.setup --profile={settings.profile}"
    return report.error("registry", said, advice)


@contextmanager
def _told(report: Reporter, subject: str) -> Iterator[list[Finding]]:
    """Turn a failure inside into a finding of the list that is given."""
    found: list[Finding] = []
    try:
        yield found
    except Failure as failure:
        found.append(report.error(subject, f"{failure.what} {failure.why}".strip(), failure.advice))
