from pathlib import Path

import pytest

from deploy.setup import machine
from deploy.values.errors import InputError
from deploy.values.events import Stream


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("javac 17.0.15\n", 17),
        ("javac 1.8.0_412\n", 8),
        ("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\njavac 21\n", 21),
        ("javac 25-ea\n", 25),
        ("sh: javac: not found\n", 0),
    ],
)
def test_java_version(printed: str, version: int) -> None:
    assert machine.java_version(printed) == version


def process(proc: Path, number: int, name: str) -> None:
    (proc / str(number)).mkdir(parents=True)
    (proc / str(number) / "comm").write_text(f"{name}\n")


def test_a_pid_file_goes_when_its_process_is_gone_or_is_another(tmp_path: Path) -> None:
    gone, another = tmp_path / "docker.pid", tmp_path / "containerd.pid"
    gone.write_text("11")
    another.write_text("12\n")
    process(tmp_path, 12, "sshd")
    machine.remove_stale_pid_files({gone: "dockerd", another: "containerd"}, proc=tmp_path)
    assert not gone.exists()
    assert not another.exists()


def test_the_pid_file_of_a_live_dockerd_stays(tmp_path: Path) -> None:
    file = tmp_path / "docker.pid"
    file.write_text("12")
    process(tmp_path, 12, "dockerd")
    machine.remove_stale_pid_files({file: "dockerd", tmp_path / "no.pid": "containerd"}, proc=tmp_path)
    assert file.exists()


def test_a_sandbox_on_another_machine_is_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match="another machine") as caught:
        machine.ensure_engine(Stream(), "auto", {"DOCKER_HOST": "ssh://deploy@192.0.2.1"})
    assert "127.0.0.1" in caught.value.why


def test_java_home_with_an_old_jdk_is_named(tmp_path: Path) -> None:
    javac = tmp_path / "bin" / "javac"
    javac.parent.mkdir()
    javac.write_text("#!/bin/sh\necho javac 11.0.20\n")
    javac.chmod(0o755)
    with pytest.raises(InputError, match="JAVA_HOME=") as caught:
        machine.ensure_jdk(Stream(), "auto", {"JAVA_HOME": str(tmp_path)})
    assert "version 11" in caught.value.why
