"""What the tasks `registry.list` and `registry.prune` do, in their words."""

import getpass
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deploy.command import Run
from deploy.places import (
    engine_here,
    engine_info,
    engine_of,
    known_registry_host,
    registry_host,
    with_sandbox,
)
from deploy.profiles import load, profiles
from deploy.values.errors import Failure, InputError
from deploy.values.keys import PREFIX
from deploy.values.settings import Settings

if TYPE_CHECKING:
    from docker import DockerClient

    from deploy.hosts.lock import Owner
    from deploy.registry import Registry
    from deploy.setup.stock import Verdict
    from deploy.setup.uses import Fleet, Reached, Uses

Rows = Sequence[dict[str, object]]

STEP = "registry"
_PLACES = ("APP_NAME", "BALANCERS", "HOSTS", "IMAGE", "REGISTRY", "REGISTRY_FOR_HOSTS")
"""Keys that say where and what; the environment's are of the chosen profile and hide other ones' files."""


def list_(run: Run, settings: Settings, *, repository: str, json: bool) -> Rows:
    """Everything with a tag in the registry; which hosts run or keep it, as far as they answer."""
    from deploy.setup import stock, uses

    ready = with_sandbox(run, settings)
    registry = _registry(run, ready)
    names = [repository] if repository else list(registry.repositories())
    used: Uses = {}
    try:
        with uses.reached(_fleets(run, ready)) as reached:
            used = reached.uses()
    except Failure as failure:
        run.stream.warning(
            f"Not all hosts could be asked what they use. {failure.host}: {failure.what} {failure.why}",
            step=STEP,
        )
    now = datetime.now(UTC)
    rows: list[dict[str, object]] = []
    for held in stock.read(registry, names):
        by = sorted({words for digest in (held.digest, *held.parts) for words in used.get(digest, ())})
        rows.append(
            {
                "repository": held.repository,
                "tags": list(held.tags) if json else ", ".join(held.tags),
                "digest": held.digest if json else _short(held.digest),
                "size": held.size if json else _size(held.size),
                "age": stock.age(held.created_at, now),
                "used": by if json else ", ".join(by),
            }
        )
    return rows


def prune(run: Run, settings: Settings, *, keep: int, host: str, dry_run: bool) -> Rows:
    """Delete what nobody runs or keeps but the newest, then free its space; one row an image.

    Raises:
        InputError: another profile's hosts are not known.
        LockedError: a deploy is under way.
        HostError: a host cannot be asked; nothing was deleted.
        BuildError: the registry refuses.
    """
    from deploy.setup import uses

    ready = with_sandbox(run, settings)
    registry = _registry(run, ready)
    with uses.reached(_fleets(run, ready)) as reached:
        if dry_run:
            verdicts, _ = _judge(run, ready, registry, reached, keep)
            return _rows(verdicts, dry_run=True)
        # Nobody may go back to a release while it is being deleted.
        with reached.locked(_owner()):
            verdicts, going = _judge(run, ready, registry, reached, keep)
            with run.stream.step(STEP, f"delete {len(going)} images"):
                for repository, digest in going:
                    registry.delete(repository, digest)
    if going:
        _collect(run, ready, host)
    return _rows(verdicts, dry_run=False)


def _judge(
    run: Run, settings: Settings, registry: "Registry", reached: "Reached", keep: int
) -> "tuple[Sequence[Verdict], list[tuple[str, str]]]":
    """What becomes of each image of this profile's repositories, and what that means to delete."""
    from deploy.setup import stock

    with run.stream.step(STEP, f"ask {len(reached.connections)} hosts what they use"):
        used = reached.uses()
    held = stock.read(registry, [settings.image, f"{settings.image}-proxy"])
    verdicts = stock.judge(held, used, keep=keep, also=_at_hand(run))
    going = [(each.held.repository, each.held.digest) for each in verdicts if not each.stays]
    return verdicts, [*going, *stock.orphans(verdicts, used)]


def _rows(verdicts: "Sequence[Verdict]", *, dry_run: bool) -> Rows:
    gone = "would go" if dry_run else "deleted"
    return [
        {
            "repository": each.held.repository,
            "tags": ", ".join(each.held.tags),
            "digest": _short(each.held.digest),
            "size": _size(each.held.size),
            "verdict": f"stays: {each.stays}" if each.stays else gone,
        }
        for each in verdicts
    ]


def _collect(run: Run, settings: Settings, host: str) -> None:
    """Free the space of what was deleted, where the registry's container can be reached."""
    from deploy.setup import registry_server

    with _container(run, settings, host) as (client, name):
        if client is None:
            run.stream.warning(
                "Their space is not free yet, as the registry's host is not known: write --host=user@host. "
                "By hand: switch storage.maintenance.readonly on in its configuration, restart it, run "
                "`registry garbage-collect` inside, switch it off again, restart it.",
                step=STEP,
            )
            return
        with run.stream.step(STEP, "collect garbage"), registry_server.read_only(client, run.stream, name):
            blobs = registry_server.collect(client, name)
    run.stream.note(f"{blobs} blobs removed.", step=STEP)


@contextmanager
def _container(run: Run, settings: Settings, host: str) -> "Iterator[tuple[DockerClient | None, str]]":
    """The engine and the name of the registry's container: the sandbox's, or on a host."""
    from deploy.setup.registry_server import NAME

    if settings.hosts_sandbox and not host:
        from deploy.sandbox.life import find

        sandbox, client = find(run.root), engine_here(run)
        if sandbox is not None and client is not None:
            with closing(client):
                yield client, sandbox.container("registry")
            return
    server = registry_host(settings, host) if host else known_registry_host(settings)
    if server is None:
        yield None, ""
        return
    with engine_of(server, settings) as client:
        yield client, NAME


def _registry(run: Run, settings: Settings) -> "Registry":
    from deploy.registry import open_registry

    registry = open_registry(settings, engine_info(run))
    registry.ping()
    return registry


def _fleets(run: Run, settings: Settings) -> "list[Fleet]":
    """The chosen profile's hosts, and those of all other profiles that may have images of this registry.

    The sandbox's hosts have those of the sandbox's registry, and nobody else has.

    Raises:
        InputError: another profile's settings cannot be read.
    """
    from deploy.setup.uses import fleet_of

    found = [fleet_of(settings)]
    if settings.hosts_sandbox:
        return found
    environ = {key: value for key, value in run.environ.items() if key.removeprefix(PREFIX) not in _PLACES}
    for name in profiles(run.root):
        try:
            other = load(run.root, name, environ)
        except InputError as error:
            if name == settings.profile:
                continue  # Its places are those of the environment.
            raise InputError(
                f"The hosts of profile {name} are not known, so nobody can say what they use.",
                why=error.what,
                details=error.details,
                advice=f"Mend its settings, or remove .env.{name} when it is no more.",
            ) from error
        run.mask.learn(other.secret_values())
        if not other.hosts_sandbox:
            found.append(fleet_of(other))
    return found


def _at_hand(run: Run) -> Mapping[str, str]:
    """The digests of the build at hand, which may be about to be deployed."""
    from deploy.build_file import PATH, read

    if not (run.root / PATH).is_file():
        return {}
    pushed = read(run.root / PATH).pushed
    why = f"{PATH} names it"
    return {pushed.digest: why, pushed.proxy_digest: why} if pushed else {}


def _owner() -> "Owner":
    from deploy.hosts.lock import Owner

    return Owner(
        who=getpass.getuser(),
        where=socket.gethostname(),
        release="nothing, it prunes the registry,",
        since=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
