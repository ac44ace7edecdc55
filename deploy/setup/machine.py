"""This machine's Docker Engine and JDK, installed and started when the sandbox or a test needs them."""

import getpass
import os
import re
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy import engine
from deploy.setup import packages
from deploy.setup.packages import Setup
from deploy.values.errors import BuildError, InputError
from deploy.values.events import Stream

ENGINE_CLI_PACKAGES = ("docker-cli", "docker.io")
"""The command line is a package of its own since Debian 13."""
ENGINE_LOG = Path("/var/log/jarship-dockerd.log")
ENGINE_DEADLINE = 60
"""Seconds that a starting dockerd may take to answer."""
PID_FILES = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/run/docker/containerd/containerd.pid"): "containerd",
}
JDK = 17
"""The oldest JDK that Spring Boot 3 and 4 build with."""
JDK_PACKAGES = ("openjdk-21-jdk-headless", "openjdk-17-jdk-headless", "default-jdk-headless")


def ensure_engine(stream: Stream, setup: Setup, environ: Mapping[str, str] = os.environ) -> None:
    """See to it that a Docker Engine of this machine answers; one that answers is used as it is.

    Raises:
        engine.EngineError: the one that DOCKER_HOST or a context names does not answer, or one denies access.
        InputError: there is none and it may not be installed or started from here (names the commands to
            type), or it is on another machine, where the sandbox's ports could not be reached.
    """
    place = engine.address(environ)
    if not engine.is_local(place):
        raise InputError(
            f"The sandbox cannot use the Docker Engine at {place}: it is on another machine.",
            why="the sandbox's hosts and registry are reached through ports on 127.0.0.1",
            advice="Unset DOCKER_HOST, or `docker context use default`; or name your own HOSTS and REGISTRY.",
        )
    try:
        engine.local(stream, environ).close()
    except engine.EngineError as error:
        if error.cause != "absent" or place != engine.DEFAULT:
            raise
        with stream.step("setup.engine", "start this machine's Docker Engine"):
            _provide_engine(stream, setup, environ)


def ensure_jdk(stream: Stream, setup: Setup, environ: Mapping[str, str] = os.environ) -> None:
    """See to it that there is a JDK of 17 or newer, where Maven's and Gradle's wrappers look for it.

    Raises:
        InputError: there is none and it may not be installed from here, or JAVA_HOME names an older one.
    """
    home = environ.get("JAVA_HOME")
    version = jdk_version(environ)
    if version >= JDK:
        return
    found = f"the JDK here is version {version}" if version else "there is no JDK here"
    if home:
        raise InputError(
            f"A JDK of {JDK} or newer is needed, and JAVA_HOME={home} is none.",
            why=found,
            advice="Set JAVA_HOME to a newer JDK, or unset it.",
        )
    # OpenJDK's set-up links a manual page into a directory that small container images lack, and fails there.
    if not packages.rights(setup).refusal:
        Path("/usr/share/man/man1").mkdir(parents=True, exist_ok=True)
    need = f"A JDK of {JDK} or newer is needed, and {found}"
    with stream.step("setup.jdk", "see to a JDK on this machine"):
        packages.install(stream, [], setup=setup, need=need, first_of=JDK_PACKAGES)


def jdk_version(environ: Mapping[str, str] = os.environ) -> int:
    """The feature release of the JDK that wrappers use: JAVA_HOME's, else the one in PATH; 0 for none."""
    home = environ.get("JAVA_HOME")
    return _javac_version(Path(home, "bin", "javac") if home else "javac")


def java_version(text: str) -> int:
    """The feature release in what `javac -version` prints, such as 17 in `javac 17.0.15`; 0 without one.

    Before 9 it was written `1.8.0_412`.
    """
    found = re.search(r"javac (?:1\.)?(\d+)", text)
    return int(found.group(1)) if found else 0


def remove_stale_pid_files(files: Mapping[Path, str] = PID_FILES, proc: Path = Path("/proc")) -> None:
    """Remove the pid files that a killed dockerd left behind.

    It would not start beside them when another process has got the number meanwhile, as is likely after a
    reboot of a container.

    Args:
        files: pid file -> name of the program it is of.
        proc: where the system shows its processes.
    """
    for file, program in files.items():
        if file.exists() and not _runs(file, program, proc):
            file.unlink()


def _runs(file: Path, program: str, proc: Path = Path("/proc")) -> bool:
    try:
        return (proc / file.read_text().strip() / "comm").read_text().strip() == program
    except OSError:
        return False


def _javac_version(command: str | Path) -> int:
    try:
        answer = subprocess.run(
            [command, "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError:
        return 0
    return java_version(answer.stdout + answer.stderr)


def _provide_engine(stream: Stream, setup: Setup, environ: Mapping[str, str]) -> None:
    if packages.find("dockerd") is None:
        need = "A Docker Engine is needed, and there is none here"
        packages.install(
            stream,
            packages.ENGINE,
            setup=setup,
            need=need,
            first_of=ENGINE_CLI_PACKAGES,
            then=_typed_after_installing(),
        )
    _start(stream, setup, environ)


def _start_command() -> list[str]:
    return ["systemctl", "start", "docker"] if Path("/run/systemd/system").exists() else ["dockerd"]


def _typed(command: list[str]) -> list[str]:
    """How a person starts the engine: in the background."""
    return command if command[0] == "systemctl" else ["sh", "-c", f"dockerd >>{ENGINE_LOG} 2>&1 &"]


def _typed_after_installing() -> list[list[str]]:
    """What is left to do when the package is there; under systemd it starts the engine itself."""
    start = _start_command()
    join = [] if os.getuid() == 0 else [["usermod", "-aG", "docker", getpass.getuser()]]
    return ([] if start[0] == "systemctl" else [_typed(start)]) + join


def _start(stream: Stream, setup: Setup, environ: Mapping[str, str]) -> None:
    command = _start_command()
    allowed = packages.rights(setup)
    if allowed.refusal:
        raise InputError(
            "A Docker Engine is installed here, but does not run.",
            why=f"it is not started from here, since {allowed.refusal}",
            advice=allowed.typed([_typed(command)]),
        )
    process: subprocess.Popen[bytes] | None = None
    if command[0] == "systemctl":
        packages.run(stream, command)
    elif not any(_runs(file, name) for file, name in PID_FILES.items() if name == "dockerd"):
        _prefer_working_iptables(stream)
        remove_stale_pid_files()
        stream.note(f"+ {shlex.join(command)} >>{ENGINE_LOG} 2>&1 &", step="setup")
        process = _in_background(command, environ)
    _wait_for_engine(stream, environ, process, command)


def _in_background(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start dockerd in a session of its own, so that neither this terminal's end nor its Ctrl-C reaches it.

    Its environment is only what it needs: Jenkins kills, at the end of a build, every process that carries
    the build's variables.
    """
    kept = {"PATH", "LANG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
    own = {key: value for key, value in environ.items() if key in kept}
    own["PATH"] = f"{own.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"
    with ENGINE_LOG.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env=own,
        )


def _wait_for_engine(
    stream: Stream,
    environ: Mapping[str, str],
    process: subprocess.Popen[bytes] | None,
    command: Sequence[str],
) -> None:
    deadline = time.monotonic() + ENGINE_DEADLINE
    while True:
        try:
            engine.local(stream, environ).close()
            return
        except engine.EngineError as error:
            code = process.poll() if process else None
            late = time.monotonic() > deadline
            if code is None and not late:
                time.sleep(0.2)
                continue
            raise BuildError(
                f"The Docker Engine did not come up within {ENGINE_DEADLINE} s."
                if code is None
                else f"`{shlex.join(command)}` ended with exit code {code}.",
                why=error.what,
                details=_tail(ENGINE_LOG),
                advice=f"Read {ENGINE_LOG} (with systemd: `journalctl -u docker`).",
            ) from error


def _prefer_working_iptables(stream: Stream) -> None:
    """Use the legacy backend of iptables where the kernel has no nf_tables: dockerd needs a nat table."""
    if _lists_nat("iptables") or not _lists_nat("iptables-legacy"):
        return
    for name in ("iptables", "ip6tables"):
        packages.run(stream, ["update-alternatives", "--set", name, f"/usr/sbin/{name}-legacy"])


def _lists_nat(command: str) -> bool:
    found = packages.find(command)
    if found is None:
        return False
    listed = subprocess.run([found, "-t", "nat", "-nL"], capture_output=True, check=False)
    return listed.returncode == 0


def _tail(log: Path, lines: int = 20) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
