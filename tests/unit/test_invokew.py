"""invokew and venv.sh as processes, with a Python that notes what it is asked for instead of downloading."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PYTHON = f"""#!/bin/sh
case "$*" in
  *ensurepip*) [ ! -e "$NOTES/no-ensurepip" ] || exit 1 ;;
  *"-m venv .venv"*)
    echo venv >> "$NOTES/asked"
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python ;;
  *"-m pip "*)
    echo pip >> "$NOTES/asked"
    sleep 0.2
    [ ! -e "$NOTES/pip-fails" ] || exit 1 ;;
  *"-m invoke "*) shift 2; printf 'invoke %s\\n' "$*" ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


class Clone:
    """The two scripts in a directory of their own, and a PATH with little in it."""

    def __init__(self, place: Path) -> None:
        self.root = place / "clone"
        self.notes = place / "notes"
        self.path = place / "path"
        for directory in (self.root / "deploy" / "setup", self.notes, self.path):
            directory.mkdir(parents=True)
        shutil.copy(ROOT / "invokew", self.root)
        shutil.copy(ROOT / "deploy" / "setup" / "venv.sh", self.root / "deploy" / "setup")
        (self.root / "requirements.lock").write_text("invoke==2.2.1\n")
        for name in ("sh", "dirname", "cmp", "cp", "mv", "rm", "mkdir", "id", "sleep"):
            (self.path / name).symlink_to(shutil.which(name) or name)

    def add(self, name: str, text: str) -> None:
        """Put a program into PATH."""
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start invokew."""
        return subprocess.Popen(
            [self.root / "invokew", *arguments],
            env={"PATH": str(self.path), "NOTES": str(self.notes), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )

    def run(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        """Run invokew: exit code, stdout, stderr."""
        process = self.start(*arguments, **environ)
        out, err = process.communicate(timeout=20)
        return process.returncode, out, err

    def asked(self) -> list[str]:
        """What Python was asked for."""
        notes = self.notes / "asked"
        return notes.read_text().split() if notes.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path)
    made.add("python3", PYTHON)
    return made


def test_the_first_call_makes_an_environment_and_the_second_does_not(clone: Clone) -> None:
    code, out, err = clone.run("deploy", "--profile=dev")
    assert (code, out) == (0, "invoke deploy --profile=dev\n")
    assert "making .venv" in err
    assert clone.run("--list") == (0, "invoke --list\n", "")
    assert clone.asked() == ["venv", "pip"]


def test_changed_requirements_make_it_anew(clone: Clone) -> None:
    clone.run("--list")
    (clone.root / "requirements.lock").write_text("invoke==2.2.2\n")
    clone.run("--list")
    assert clone.asked() == ["venv", "pip"] * 2


def test_an_environment_whose_python_is_gone_is_made_anew(clone: Clone) -> None:
    clone.run("--list")
    (clone.root / ".venv" / "bin" / "python").unlink()
    assert clone.run("--list")[0] == 0
    assert clone.asked() == ["venv", "pip"] * 2


def test_what_was_made_half_is_made_anew(clone: Clone) -> None:
    (clone.notes / "pip-fails").touch()
    code, out, err = clone.run("--list")
    assert (code, out) == (4, "")
    assert "pip could not install requirements.lock" in err
    (clone.notes / "pip-fails").unlink()
    assert clone.run("--list")[0] == 0
    assert clone.asked() == ["venv", "pip"] * 2


def test_two_at_once_make_one_environment(clone: Clone) -> None:
    processes = [clone.start("--list") for _ in range(3)]
    assert [process.communicate(timeout=20)[0] for process in processes] == ["invoke --list\n"] * 3
    assert clone.asked() == ["venv", "pip"]


def test_without_ensurepip_where_nothing_may_be_installed_the_commands_are_named(clone: Clone) -> None:
    (clone.notes / "no-ensurepip").touch()
    clone.add("apt-get", "#!/bin/sh\necho apt-get >> $NOTES/asked\n")
    code, out, err = clone.run("--list", JARSHIP_SETUP="never")
    assert (code, out) == (2, "")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert f"sudo apt-get install -y --no-install-recommends {version}\n" in err
    assert clone.asked() == []


def test_without_ensurepip_and_apt_the_reason_is_told(clone: Clone) -> None:
    (clone.notes / "no-ensurepip").touch()
    code, _, err = clone.run("--list")
    assert code == 2
    assert "no module ensurepip, and this machine has no apt-get" in err


@pytest.mark.skipif(os.getuid() != 0, reason="only root installs packages")
def test_root_installs_ensurepip_and_prints_each_command_first(clone: Clone) -> None:
    (clone.notes / "no-ensurepip").touch()
    clone.add("apt-get", "#!/bin/sh\necho $DEBIAN_FRONTEND >> $NOTES/asked\nrm -f $NOTES/no-ensurepip\n")
    code, out, err = clone.run("--list")
    assert (code, out) == (0, "invoke --list\n")
    assert [line.split()[1] for line in err.splitlines() if line.startswith("+ ")] == ["apt-get", "apt-get"]
    assert clone.asked() == ["noninteractive", "noninteractive", "venv", "pip"]


@pytest.mark.parametrize("python", ["", "#!/bin/sh\nexit 1\n"], ids=["none", "too old"])
def test_no_python_of_use_names_what_to_install(clone: Clone, python: str) -> None:
    (clone.path / "python3").unlink()
    if python:
        clone.add("python3", python)
    code, out, err = clone.run("--list")
    assert (code, out) == (2, "")
    assert "Python 3.11 or newer is needed" in err
    assert "apt-get install python3 python3-venv" in err


def test_a_newer_python_beside_an_old_one_is_found(clone: Clone) -> None:
    clone.add("python3.12", PYTHON)
    clone.add("python3", "#!/bin/sh\nexit 1\n")
    assert clone.run("--list")[0] == 0
