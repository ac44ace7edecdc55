"""The sessions that check this repository. `nox` alone runs those that need neither network nor Docker.

Every session has an environment of its own with everything in requirements-dev.lock, which uv fills in half a
second and checks in a tenth, without network when nothing changed.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "unit"]

ROOT = Path(__file__).parent
NOT_OURS = {".git", ".nox", ".venv", ".jarship", "build", "target", "node_modules", "__pycache__"}
CERTIFICATES = Path("/etc/ssl/certs")
SIDE_BY_SIDE = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")
"""Two processes, each with what its tests share: a sandbox, a registry, a built application.

They take files in the order in which these were collected: tests/support/longest_first.py has them sorted.
"""
WRAPPERS = {"mvnw", "gradlew"}
"""Scripts that other projects made and that lie here unchanged."""


@nox.session
def lint(session: nox.Session) -> None:
    """Python, Dockerfiles and shell scripts in order; the lock files true to pyproject.toml."""
    _install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "-m", "tests.support.locks")
    session.run("hadolint", "--no-color", *_relative(dockerfiles(ROOT)))
    session.run("shellcheck", "--color=never", *_relative(shell_scripts(ROOT)))


@nox.session
def types(session: nox.Session) -> None:
    """The types, strictly."""
    _install(session)
    session.run("mypy")


@nox.session
def unit(session: nox.Session) -> None:
    """The tests that need neither network nor Docker; both are refused to them."""
    chosen = ("-m", "not thorough", "--timeout=60", "--numprocesses=2", "--dist=worksteal")
    _pytest(session, "tests/unit", *chosen)


@nox.session
def integration(session: nox.Session) -> None:
    """Each part against the real thing: an engine, a registry, a host. Brings its own."""
    _pytest(session, "tests/integration", *SIDE_BY_SIDE)


@nox.session
def e2e(session: nox.Session) -> None:
    """The whole road, from source to an application that answers on two hosts of a sandbox."""
    _pytest(session, "tests/e2e", "-m", "not thorough", "--timeout=900", *SIDE_BY_SIDE)


@nox.session
def faults(session: nox.Session) -> None:
    """Every fault of the table, and whatever takes long, on a sandbox; prints the table with its rows."""
    everywhere = ("tests/unit", "tests/e2e", "tests/integration", "tests/faults")
    _pytest(session, *everywhere, "-m", "fault or thorough or story", "--timeout=1500", *SIDE_BY_SIDE)


@nox.session
def zero_downtime(session: nox.Session) -> None:
    """100,000 requests each, by start-first and behind a balancer, over 25 releases; prints what was lost."""
    _pytest(session, "tests/figures", "--timeout=1500", "--capture=no")


@nox.session
def fresh(session: nox.Session) -> None:
    """The first command on a bare machine: a container with Debian, Python, git and this project cloned."""
    _install(session)
    session.run("python", "-m", "tests.fresh", interrupt_timeout=120)


@nox.session
def audit(session: nox.Session) -> None:
    """What is known against the locked requirements; apart from the rest, since it changes without us."""
    session.install("pip-audit ~= 2.10", env=_like_pip())
    # Strict: a requirement that the service does not know counts as not audited, and that as a failure.
    locked = ("--require-hashes", "--requirement=requirements-dev.lock")
    session.run("pip-audit", "--strict", "--disable-pip", *locked, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """How long what people type takes, as ratios to something run beside it."""
    _install(session)
    session.run("python", "-m", "tests.bench")


@nox.session
def lock(session: nox.Session) -> None:
    """Write both lock files anew from pyproject.toml; `-- --upgrade` takes the newest versions it allows."""
    _install(session)
    compile_ = (
        *("uv", "pip", "compile", "pyproject.toml", "--quiet", "--universal", "--python-version=3.11"),
        *("--generate-hashes", "--no-header", "--no-annotate", *session.posargs),
    )
    dev = ("--extra=dev", "--constraints=requirements.lock")
    session.run(*compile_, "--output-file=requirements.lock", env=_like_pip())
    session.run(*compile_, *dev, "--output-file=requirements-dev.lock", env=_like_pip())


def _install(session: nox.Session) -> None:
    session.install("--require-hashes", "-r", "requirements-dev.lock", env=_like_pip())


def _like_pip() -> dict[str, str]:
    """Let uv do as pip does: unasked it reads neither pip's index nor the machine's certificates."""
    # Bytecode too, as pip does: else each of the many processes that tests start makes it again.
    env = {"UV_COMPILE_BYTECODE": "1"}
    if "PIP_INDEX_URL" in os.environ:
        env["UV_DEFAULT_INDEX"] = os.environ["PIP_INDEX_URL"]
    if CERTIFICATES.is_dir() and any(CERTIFICATES.iterdir()):
        env["UV_SYSTEM_CERTS"] = "true"
    return {name: value for name, value in env.items() if name not in os.environ}


def _pytest(session: nox.Session, *arguments: str) -> None:
    _install(session)
    report = f"--junitxml=build/junit-{session.name}.xml"
    slowest = ("--durations=10", "--durations-min=1")
    # After an interrupt the tests still have to take down what they started.
    session.run(
        "python", "-m", "pytest", report, *slowest, *arguments, *session.posargs, interrupt_timeout=120
    )


def dockerfiles(root: Path) -> list[Path]:
    """Every Dockerfile below a directory."""
    return [path for path in _files(root) if path.name == "Dockerfile" or path.suffix == ".Dockerfile"]


def shell_scripts(root: Path) -> list[Path]:
    """Every shell script below a directory: by its suffix, or by a first line that names sh, bash or dash."""
    return [path for path in _files(root) if path.name not in WRAPPERS and _is_shell(path)]


def _is_shell(path: Path) -> bool:
    if path.suffix in (".sh", ".bash"):
        return True
    if path.suffix:
        return False
    with path.open("rb") as file:
        first = file.readline(200).decode("utf-8", "replace")
    return re.match(r"#! ?(/usr/bin/env |/(usr/)?bin/)(sh|bash|dash)\b", first) is not None


def _files(root: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(root):
        names[:] = sorted(set(names) - NOT_OURS)
        yield from (path for path in (Path(directory, file) for file in sorted(files)) if path.is_file())


def _relative(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]
