"""What the tasks `registry.up`, `.down` and `.status` do, in their words."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deploy.command import Run
from deploy.places import (
    engine_here,
    engine_info,
    engine_of,
    known_registry_host,
    registry_host,
    with_sandbox,
)
from deploy.values.errors import BuildError, InputError
from deploy.values.inventory import Host
from deploy.values.reference import split_host
from deploy.values.settings import SANDBOX, Settings

if TYPE_CHECKING:
    from docker import DockerClient

    from deploy.registry import Registry
    from deploy.setup.authority import Certificate
    from deploy.setup.registry_server import Running, Server

Rows = Sequence[dict[str, object]]

IMAGE = "registry:2"
ANSWER_SECONDS = 20.0
STEP = "registry"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What `registry.up` was asked for."""

    host: str
    image: str = ""
    """Empty means registry:2, or its stand-in on a host of the sandbox."""
    address: str = ""
    """The host's address to listen on; empty means all."""
    certificate: str = ""
    """File of a certificate that somebody signed; empty means one of the own authority's."""
    key: str = ""


def up(run: Run, settings: Settings, wanted: Wanted) -> Rows:
    """Start a registry on a host, or see that it runs as wanted; one row that says how it is.

    Raises:
        InputError: it would be open to the world, or its certificate not what REGISTRY_CA says.
        HostError: the host cannot be reached, or it does not start there.
        BuildError: it runs there, and is not reached from here.
    """
    from deploy.setup import registry_image, registry_server

    login = _login(settings, wanted.address)
    ready = with_sandbox(run, settings)
    host = registry_host(ready, wanted.host)
    now = datetime.now(UTC)
    with engine_of(host, ready) as client:
        before = registry_server.find(client)
        server = _server(run, ready, host, wanted, before=before, login=login, now=now)
        if registry_server.is_as_wanted(server, before, now=now):
            run.stream.note("The registry runs as it is wanted.", host=host.name, step=STEP)
        else:
            registry_image.ensure(
                client, server.image, here=engine_here(run), stream=run.stream, name=host.name
            )
            with run.stream.step(STEP, f"start {server.image} on port {server.port}", host=host.name):
                registry_server.start(client, server, before)
    if settings.registry != SANDBOX:
        settings = _trusting(run, settings, server)
        _await_answer(settings, server)
    return status(run, settings, host=wanted.host)


def down(run: Run, settings: Settings, *, host: str, data: bool) -> None:
    """Remove a host's registry; what is stored stays unless `data`."""
    from deploy.setup import registry_server

    ready = with_sandbox(run, settings)
    chosen = registry_host(ready, host)
    with engine_of(chosen, ready) as client, run.stream.step(STEP, "stop the registry", host=chosen.name):
        there = registry_server.remove(client, data=data)
    if not there:
        run.stream.note("There was no registry.", host=chosen.name, step=STEP)
    elif not data:
        run.stream.note(
            f"What it stored stays in the volume {registry_server.NAME}: `invoke registry.up` finds it, "
            "and --data removes it.",
            host=chosen.name,
            step=STEP,
        )


def status(run: Run, settings: Settings, *, host: str) -> Rows:
    """How a registry is: asked over its API from here, and, where its host is known, there too."""
    ready = with_sandbox(run, settings)
    found: dict[str, object] = {"registry": ready.registry, **_seen_from_here(run, ready, host)}
    server = registry_host(ready, host) if host else known_registry_host(ready)
    if server is not None:
        with engine_of(server, ready) as client:
            found |= _seen_there(client, server)
    return [found]


def _login(settings: Settings, address: str) -> tuple[str, str] | None:
    """The user and password that are to be let in.

    Raises:
        InputError: there is none, and the registry would be open to the world.
    """
    password = settings.registry_password.get_secret_value() if settings.registry_password else ""
    if settings.registry_user and password:
        return settings.registry_user, password
    if address not in ("127.0.0.1", "::1"):
        raise InputError(
            "A registry without a password, open to everybody who reaches its host, is not started.",
            why="REGISTRY_USER and REGISTRY_PASSWORD are not both set, and --address is not 127.0.0.1",
            advice="Write REGISTRY_USER=deployer into .env.<profile> and REGISTRY_PASSWORD=<password> into "
            ".env.<profile>.local (a good one: openssl rand -base64 24), or set JARSHIP_REGISTRY_PASSWORD",
        )
    return None


def _server(
    run: Run,
    settings: Settings,
    host: Host,
    wanted: Wanted,
    *,
    before: "Running | None",
    login: tuple[str, str] | None,
    now: datetime,
) -> "Server":
    from deploy.setup import registry_config as inside
    from deploy.setup.registry_server import Server

    users = (before.files.get(inside.USERS) or "") if before else ""
    names = _names(settings, host)
    certificate: Certificate | None = None
    signed: tuple[str, ...] = ()
    if settings.registry_trust != "insecure" or settings.hosts_sandbox:
        certificate, signed = _certificate(run, settings, wanted, names, now)
    elif login:
        run.stream.warning(
            "REGISTRY_TRUST=insecure: passwords and images cross the network for everybody to read.",
            step=STEP,
        )
    return Server(
        image=wanted.image or _default_image(run, settings),
        port=_port(settings),
        address=wanted.address,
        users=inside.with_user(users, *login) if login else "",
        certificate=certificate,
        signed=signed,
    )


def _certificate(
    run: Run, settings: Settings, wanted: Wanted, names: Sequence[str], now: datetime
) -> tuple[Any, tuple[str, ...]]:
    """The certificate to show, and what it depends on."""
    from deploy.setup import authority, trust

    if wanted.certificate or wanted.key:
        if not (wanted.certificate and wanted.key):
            raise InputError("--certificate and --key go together.")
        given = authority.given(wanted.certificate, wanted.key, names, now=now)
        return given, (given.chain,)
    own = authority.ensure(run.root / authority.DIRECTORY, now=now)
    if settings.registry_ca:
        trusted = trust.of_this_machine(settings.model_copy(update={"registry_trust": "ca"})).authority
        if not trust.certificates(own.pem) <= trust.certificates(trusted):
            raise InputError(
                f"REGISTRY_CA={settings.registry_ca} is not the authority in {authority.DIRECTORY}; "
                "hosts would refuse what it signs.",
                advice="Run this on the machine that has its key, or give --certificate and --key.",
            )
    return authority.sign(own, names, now=now), (own.fingerprint, *names)


def _names(settings: Settings, host: Host) -> list[str]:
    """How the registry is known: to this machine, to the hosts, and as its host is."""
    known = [] if settings.hosts_sandbox else [settings.registry, settings.registry_for_hosts]
    names = [*(split_host(each) for each in known if each), host.address, host.reached_at]
    names += [host.name] if settings.hosts_sandbox else []
    return list(dict.fromkeys(name for name in names if name))


def _port(settings: Settings) -> int:
    from deploy.setup.tls import port_of

    return 5000 if settings.hosts_sandbox else port_of(settings.registry_for_hosts or settings.registry)


def _default_image(run: Run, settings: Settings) -> str:
    if not settings.hosts_sandbox:
        return IMAGE
    from deploy.engine import local
    from deploy.sandbox import images

    client = local(run.stream)
    hub = images.hub_answers(client)
    return images.ensure(client, ["registry"], hub=hub, stream=run.stream, setup=settings.setup)["registry"]


def _trusting(run: Run, settings: Settings, server: "Server") -> Settings:
    """The settings with the own authority as REGISTRY_CA, when it signed; says what is left to do by hand."""
    from deploy.setup.authority import DIRECTORY

    own = server.certificate is not None and len(server.signed) > 1
    if not own or settings.registry_ca:
        return settings
    again = f"invoke host.setup --profile={settings.profile}"
    run.stream.note(
        f"Let everybody trust it: cp {DIRECTORY}/ca.crt registry-ca.crt, commit that, and write "
        f"REGISTRY_CA=registry-ca.crt into .env.{settings.profile}. Then, for hosts and this machine: "
        f"{again}; {again} --local",
        step=STEP,
    )
    return settings.model_copy(update={"registry_ca": str(run.root / DIRECTORY / "ca.crt")})


def _await_answer(settings: Settings, server: "Server") -> None:
    """See that it answers as this machine knows it, with the credentials and not without.

    Raises:
        BuildError: it does not.
    """
    plain = server.certificate is None
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            _registry(settings, plain=plain, anonymous=False).ping()
            break
        except BuildError as error:
            if time.monotonic() > deadline:
                error.advice = (
                    f"It runs there. Is {settings.registry} its address, and open in the firewall? "
                    f"{error.advice}"
                )
                raise
            time.sleep(0.3)
    if server.users and _lets_in(_registry(settings, plain=plain, anonymous=True)):
        raise BuildError(f"The registry {settings.registry} lets everybody in.", step=STEP)


def _lets_in(registry: "Registry") -> bool:
    try:
        registry.ping()
    except BuildError:
        return False
    return True


def _registry(settings: Settings, *, plain: bool, anonymous: bool) -> "Registry":
    from deploy import credentials
    from deploy.registry import Registry

    password = settings.registry_password.get_secret_value() if settings.registry_password else None
    login = None if anonymous else credentials.find(settings.registry, settings.registry_user, password)
    return Registry(
        settings.registry,
        login=login,
        ca=settings.registry_ca,
        insecure=plain,
        connect_seconds=2,
        read_seconds=5,
    )


def _seen_from_here(run: Run, settings: Settings, host: str) -> dict[str, object]:
    from deploy.registry import open_registry
    from deploy.setup import tls

    if settings.hosts_sandbox and host:
        return {"registry": f"{host}:{_port(settings)}", "answers": "not asked from here"}
    info = engine_info(run)
    certificate = tls.shown_by(settings.registry)
    found: dict[str, object] = {"tls": _tls(certificate)}
    try:
        repositories = open_registry(settings, info).repositories()
    except BuildError as error:
        run.stream.warning(f"{error.what} {error.why} {error.advice}", step=STEP)
        return {**found, "answers": "no", "repositories": None}
    return {**found, "answers": "yes", "repositories": len(repositories)}


def _tls(certificate: Any) -> str:
    if certificate is None:
        return "none"
    left = (certificate.not_valid_after_utc - datetime.now(UTC)).days
    return f"until {certificate.not_valid_after_utc:%Y-%m-%d} ({left} days)"


def _seen_there(client: "DockerClient", host: Host) -> dict[str, object]:
    from deploy.setup import registry_server

    running = registry_server.find(client)
    if running is None:
        return {"host": host.name, "state": "absent"}
    found: dict[str, object] = {"host": host.name, "state": running.state, "image": running.image}
    found["tls"] = _tls(running.certificate)
    found["users"] = len(running.files.get("/etc/docker/registry/htpasswd", "").splitlines())
    if running.state == "running":
        found |= _measured(client)
    return found


def _measured(client: "DockerClient") -> dict[str, object]:
    """Version and disk, by the programs of the registry's own container."""
    from deploy.setup.registry_config import STORAGE
    from deploy.setup.registry_server import run as inside

    used = inside(client, "du", "-sk", STORAGE).split()[0]
    free = inside(client, "df", "-Pk", STORAGE).splitlines()[-1].split()[3]
    return {
        "version": inside(client, "/bin/registry", "--version").split()[-1],
        "used": f"{int(used) / 1e6:.2f} GB",
        "free": f"{int(free) / 1e6:.1f} GB",
    }
