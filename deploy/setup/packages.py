"""Packages of Debian and Ubuntu.

On this machine they are installed for the sandbox and the tests, and by `host.setup --local`; else never.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.values.errors import BuildError, InputError
from deploy.values.events import Stream

Setup = Literal["auto", "never"]

ENGINE = ("docker.io", "iptables", "ca-certificates")
"""A Docker Engine; its command line is a package of its own since Debian 13."""

_ASKS_NOTHING = {
    # debconf and needrestart would ask, and wait for ever where nobody answers.
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_SUSPEND": "1",
}
_APT_OPTIONS = (
    # Another apt or dpkg, such as the one that unattended upgrades start after a boot, is waited for.
    "DPkg::Lock::Timeout=300",
    "Acquire::Retries=3",
    "Dpkg::Use-Pty=0",
    # As `-qq`: errors and what is unpacked, not what is downloaded.
    "quiet=2",
)


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Whether packages may be installed here."""

    refusal: str
    """Why not; empty when they may."""
    sudo: bool
    """Whether the commands to type need sudo in front."""

    def typed(self, commands: Sequence[Sequence[str]]) -> str:
        """Commands as a person would type them here, one a line."""
        prefix = ["sudo"] if self.sudo else []
        return "\n".join(shlex.join([*prefix, *command]) for command in commands)


def rights(setup: Setup, *, uid: int | None = None) -> Rights:
    """What this process may install.

    Args:
        setup: the setting of that name.
        uid: the user's id; None asks the system.
    """
    root = (os.getuid() if uid is None else uid) == 0
    reasons = {
        "JARSHIP_SETUP is never": setup == "never",
        "this machine has no apt-get": shutil.which("apt-get") is None,
        "this user is not root": not root,
    }
    return Rights(refusal=next((reason for reason, holds in reasons.items() if holds), ""), sudo=not root)


UPDATE = ("apt-get", "update")


def installation(packages: Sequence[str]) -> list[str]:
    """The command that installs packages."""
    return ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def quiet_command(arguments: str) -> str:
    """A line for sh that runs apt-get with these arguments and without questions."""
    asks_nothing = [f"{name}={value}" for name, value in _ASKS_NOTHING.items()]
    return f"{shlex.join(['env', *asks_nothing, *_patient(['apt-get'])])} {arguments}"


def install(
    stream: Stream,
    packages: Sequence[str],
    *,
    setup: Setup,
    need: str,
    first_of: Sequence[str] = (),
    then: Sequence[Sequence[str]] = (),
) -> None:
    """Install packages, each command told first.

    Args:
        stream: hears the commands and what they print.
        packages: names of Debian packages.
        setup: `never` forbids it.
        need: what is missing and what for; one sentence without its full stop.
        first_of: packages of which the first one that this system's release has is installed too; all
            releases have the last one.
        then: further commands that a person would type, where it may not be done from here.

    Raises:
        InputError: it may not be done here; names the commands to type.
        BuildError: a command failed.
    """
    allowed = rights(setup)
    if allowed.refusal:
        commands = [UPDATE, installation([*packages, *first_of[-1:]]), *then]
        raise InputError(
            f"{need}.",
            why=f"it is not installed from here, since {allowed.refusal}",
            advice=allowed.typed(commands),
        )
    stream.note(f"{need}: installing from the system's packages.", step="setup")
    run(stream, _patient(UPDATE))
    chosen = [name for name in first_of if is_available(name)][:1]
    run(stream, _patient(installation([*packages, *chosen])))


def _patient(apt: Sequence[str]) -> list[str]:
    return [apt[0], *(part for option in _APT_OPTIONS for part in ("-o", option)), *apt[1:]]


def is_available(package: str) -> bool:
    """Whether this system's release has a package; after `apt-get update`."""
    shown = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return shown.returncode == 0 and bool(shown.stdout)


def ensure_packages(stream: Stream, needed: Mapping[str, str], *, setup: Setup, purpose: str) -> None:
    """Install the packages whose commands are missing.

    Args:
        stream: hears what is installed.
        needed: command -> package.
        setup: `never` forbids it.
        purpose: what they are for, as in "mmdebstrap is missing, which PURPOSE".
    """
    missing = [command for command in needed if find(command) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        need = f"{' and '.join(missing)} {verb} missing, which {purpose}"
        install(stream, sorted({needed[command] for command in missing}), setup=setup, need=need)


def find(command: str) -> str | None:
    """Where a command is, the directories of system programs included: CI users often lack them in PATH."""
    return shutil.which(command) or shutil.which(command, path="/usr/sbin:/usr/local/sbin:/sbin")


def run(stream: Stream, command: Sequence[str]) -> None:
    """Run a command without input and without questions, told first with `+ `, its output passed on.

    Raises:
        BuildError: it failed; with the end of its output.
    """
    stream.note(f"+ {shlex.join(command)}", step="setup")
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **_ASKS_NOTHING},
    ) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line.rstrip())
            stream.output(lines[-1], step="setup")
    if process.returncode:
        raise BuildError(
            f"`{shlex.join(command)}` failed with exit code {process.returncode}.",
            details=lines[-20:],
            advice="Mend what it says and start again, or set JARSHIP_SETUP=never and install by hand.",
            step="setup",
        )
