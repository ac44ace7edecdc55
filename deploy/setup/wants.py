"""What a machine needs for releases, and the commands that bring it what it lacks. Pure."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from deploy import plain_http
from deploy.setup.packages import ENGINE, quiet_command
from deploy.setup.trust import Seen, Trust, lack, lists
from deploy.values.errors import InputError
from deploy.values.settings import Settings

DAEMON_JSON = "/etc/docker/daemon.json"
APPLICATION = (10001, 10001)
"""User and group of the application in an image that docker/app/Dockerfile made."""
_CLIENT = "$(apt-cache show docker-cli 2>/dev/null | grep -om1 docker-cli)"
"""Docker's command line, where it is a package of its own: since Debian 13."""
RELOAD = 'kill -HUP "$(cat /var/run/docker.pid)"'
"""The engine reads daemon.json again; no container is touched."""


@dataclass(frozen=True, kw_only=True)
class Directory:
    """A directory that containers of a host will see, and whose it is."""

    path: str
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a machine is to have, besides Docker and a user in its group."""

    trust: Trust
    directories: tuple[Directory, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine as `look.sh` saw it."""

    root: Literal["yes", "sudo", "no"] = "no"
    """Whether commands run as root: this user is, or becomes it without a password."""
    user: str = ""
    groups: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    registry_config: Mapping[str, Any] | None = None
    """Of the engine's `info`; None when it did not answer."""
    daemon: str | None = None
    """The content of daemon.json; empty when there is none, None when it could not be read."""
    authority: str | None = None
    directories: frozenset[str] = frozenset()
    """Those of the wish that are there."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line to run as root."""

    does: str
    """What it is for, such as `install Docker`."""
    text: str
    """For sh."""
    stdin: str = field(default="", repr=False)
    typed: str = ""
    """What a person types instead, when that is not `sudo` and the text."""
    reloads: bool = False
    """Whether it makes the engine read its configuration again: one that is only starting would die of it."""
    undo: "Command | None" = None
    """What puts back what was there, when the engine does not take what is written."""

    @property
    def line(self) -> str:
        """As one command."""
        single = not re.search(r"[|&;<>$]", self.text)
        return self.text if single else f"sh -c {shlex.quote(self.text)}"

    @property
    def pasted(self) -> str:
        """As a person types it who may become root by a password."""
        return self.typed or f"sudo {self.line}"


def wish_of(settings: Settings, trust: Trust, *, serves: bool) -> Wish:
    """What a host of a profile is to have.

    Args:
        trust: how it is to trust the registry.
        serves: whether the application runs there; balancers have no directories.
    """
    user = settings.run_as or "{}:{}".format(*APPLICATION)
    uid, _, gid = user.partition(":")
    mounts = [mount for mount in settings.mounts if serves and not mount.read_only]
    return Wish(
        trust=trust,
        directories=tuple(Directory(path=mount.source, uid=int(uid), gid=int(gid or 0)) for mount in mounts),
    )


def read(text: str) -> Machine:
    """Read what `look.sh` says.

    Raises:
        ValueError: it is something else.
    """
    records = [record.partition(" ")[::2] for record in text.split("\0") if record]
    once = dict(records)
    directories = [value.split(" ", 1) for name, value in records if name == "directory"]
    root = once.get("root", "")
    if root not in ("yes", "sudo", "no"):
        raise ValueError(f"no machine: {text[:80]!r}")
    registries = json.loads(once.get("registries") or "null")
    there = frozenset(value for first, value in map(_directory, directories) if first != "missing")
    return Machine(
        root=root,  # type: ignore[arg-type]  # one of the three
        user=once.get("user", ""),
        groups=frozenset(once.get("groups", "").split()),
        tools=frozenset(value for name, value in records if name == "tool"),
        registry_config=registries,
        daemon=once.get("daemon"),
        authority=once.get("authority"),
        directories=there,
    )


def _directory(words: list[str]) -> tuple[str, str]:
    """`missing PATH`, or `UID GID PATH`."""
    first, rest = words
    return (first, rest) if first == "missing" else (first, rest.partition(" ")[2])


def commands(wish: Wish, machine: Machine) -> tuple[Command, ...]:
    """What brings a machine what it lacks, in order; nothing for one that lacks nothing.

    Raises:
        InputError: it has no package manager that we know, or a daemon.json that is not JSON.
    """
    found = [*_docker(machine), *_group(machine), *_directories(wish, machine), *_trust(wish.trust, machine)]
    return tuple(found)


def _docker(machine: Machine) -> Iterator[Command]:
    needed = ([] if "dockerd" in machine.tools else [*ENGINE]) + _tools(machine)
    if needed and "apt-get" not in machine.tools:
        raise InputError(
            "Docker is missing there, and there is no apt-get to install it with.",
            advice="Install Docker Engine by its own way: https://docs.docker.com/engine/install/",
        )
    if needed:
        yield _apt("update the list of packages", "update")
        names = needed if "dockerd" in machine.tools else [*needed, _CLIENT]
        yield _apt(f"install {needed[0]}", f"install -y --no-install-recommends {' '.join(names)}")
    if _engine_is_down(machine):
        start = "systemctl enable --now docker" if "systemd" in machine.tools else "service docker start"
        yield Command(does="start Docker", text=start)


def _tools(machine: Machine) -> list[str]:
    return [] if "flock" in machine.tools else ["util-linux"]


def _apt(does: str, arguments: str) -> Command:
    return Command(does=does, text=quiet_command(arguments), typed=f"sudo apt-get {arguments}")


def _engine_is_down(machine: Machine) -> bool:
    """Whether it does not answer, as far as this user can tell."""
    may_ask = machine.root != "no" or "docker" in machine.groups
    return machine.registry_config is None and may_ask


def _group(machine: Machine) -> Iterator[Command]:
    if machine.user != "root" and "docker" not in machine.groups:
        yield Command(
            does=f"let {machine.user} use Docker",
            text=f"usermod -aG docker {shlex.quote(machine.user)}",
        )


def _directories(wish: Wish, machine: Machine) -> Iterator[Command]:
    for directory in wish.directories:
        if directory.path not in machine.directories:
            owner = f"-o {directory.uid} -g {directory.gid}"
            yield Command(
                does=f"make {directory.path}", text=f"install -d {owner} {shlex.quote(directory.path)}"
            )


def _trust(trust: Trust, machine: Machine) -> Iterator[Command]:
    config = machine.registry_config or {}
    if trust.kind == "ca":
        if lack(trust, Seen(registry_config={}, ca=machine.authority or "")):
            yield _authority(trust)
        # One that is listed by its command line is not ours to change; the check afterwards tells of it.
        if lists(config, trust.registry) and trust.registry in _insecure(_parsed(machine.daemon or "")):
            yield _daemon(trust.registry, machine, listed=False)
    elif trust.kind == "insecure" and not plain_http.allowed(trust.registry, {"RegistryConfig": config}):
        yield _daemon(trust.registry, machine, listed=True)


def _authority(trust: Trust) -> Command:
    text = f"install -D -m 0644 /dev/stdin {shlex.quote(trust.ca_file)}"
    pem = trust.authority if trust.authority.endswith("\n") else f"{trust.authority}\n"
    return Command(
        does=f"trust the registry {trust.registry}",
        text=text,
        stdin=pem,
        typed=f"sudo {text} <<'END'\n{pem}END",
    )


def _daemon(registry: str, machine: Machine, *, listed: bool) -> Command:
    """daemon.json with a registry in `insecure-registries`, or without it, and all else kept."""
    config = _parsed(machine.daemon or "")
    others = [name for name in _insecure(config) if name != registry]
    after = {**config, "insecure-registries": [*others, registry] if listed else others}
    if not after["insecure-registries"]:
        del after["insecure-registries"]
    does = f"{'list' if listed else 'no longer list'} {registry} in insecure-registries of {DAEMON_JSON}"
    # Its owner and mode stay; whoever reads it meanwhile sees the old one or the new.
    write = (
        f"umask 022; f={DAEMON_JSON}; mkdir -p /etc/docker; [ ! -e $f ] || cp -p $f $f.new; "
        f"cat >$f.new && mv $f.new $f && {RELOAD}"
    )
    before = machine.daemon or ""
    back = Command(does=f"put {DAEMON_JSON} back", text=write, stdin=before)
    none = Command(does=f"remove {DAEMON_JSON} again", text=f"rm -f {DAEMON_JSON} && {RELOAD}")
    return Command(
        does=does,
        text=write,
        stdin=json.dumps(after, indent=2) + "\n",
        typed=plain_http.mending_line(registry, listed=listed),
        reloads=True,
        undo=back if before else none,
    )


def _parsed(text: str) -> dict[str, Any]:
    try:
        config = json.loads(text) if text.strip() else {}
    except ValueError as error:
        config, why = None, str(error)
    else:
        why = "it is no JSON object"
    if not isinstance(config, dict):
        raise InputError(
            f"{DAEMON_JSON} is not what Docker would read; it is left as it is.",
            why=why,
            advice=f"Mend it by hand: sudo dockerd --validate --config-file {DAEMON_JSON}",
        )
    return config


def _insecure(config: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in config.get("insecure-registries") or ()]
