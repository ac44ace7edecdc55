"""Secrets as files: their names, and what of them a release and its settings hold."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.rollout.release import ImageFacts, spec_of_settings
from deploy.rollout.secret_files import _SCRIPT
from deploy.values.mounts import parse_mounts
from deploy.values.rules import Given, broken_rules
from deploy.values.secret_files import file_names, importing
from tests.support.settings import make_settings

IMAGE = ImageFacts(platform="linux/amd64", user="1", labels={})


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("SPRING_DATASOURCE_PASSWORD", ("SPRING_DATASOURCE_PASSWORD", "spring.datasource.password")),
        ("TOKEN", ("TOKEN", "token")),
        ("token", ("token",)),
    ],
)
def test_a_secret_is_a_file_by_each_name_that_is_asked_for(name: str, files: tuple[str, ...]) -> None:
    assert file_names(name) == files


def test_what_spring_is_to_read_anyway_is_read_too() -> None:
    assert importing({}) == {"SPRING_CONFIG_IMPORT": "configtree:/run/secrets/"}
    assert importing({"SPRING_CONFIG_IMPORT": "file:/a"}) == {
        "SPRING_CONFIG_IMPORT": "file:/a,configtree:/run/secrets/"
    }


def test_only_secrets_leave_the_environment_and_only_when_asked_to() -> None:
    given = {"app_env": {"GREETING": "hi"}, "secrets": {"TOKEN": SecretStr("s3cret")}}
    plain = spec_of_settings(make_settings(**given), IMAGE)
    assert (plain.in_files, plain.variables()) == ((), dict(plain.environment))
    assert plain.variables()["TOKEN"] == "s3cret"
    filed = spec_of_settings(make_settings(**given, secrets_as="files"), IMAGE)
    assert filed.in_files == ("TOKEN",)
    assert filed.variables().keys() == {"PROFILE", "GREETING", "SPRING_CONFIG_IMPORT"}
    assert "s3cret" in filed.secret_values()
    none = spec_of_settings(make_settings(secrets_as="files"), IMAGE)
    assert "SPRING_CONFIG_IMPORT" not in none.variables()


def test_a_mount_over_the_files_is_refused() -> None:
    values = {"SECRETS_AS": "files", "MOUNTS": parse_mounts("/srv/x:/run/secrets")}
    told = dict(broken_rules(Given(values=values, keys=frozenset(values))))
    assert "/run/secrets" in told["MOUNTS"]
    values["SECRETS_AS"] = "environment"
    assert "MOUNTS" not in dict(broken_rules(Given(values=values, keys=frozenset(values))))


def script(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(_SCRIPT), *args], input=stdin, text=True, capture_output=True, check=False
    )


@pytest.fixture
def app() -> str:
    """The name of an application that nobody has, since all share the machine's memory."""
    return f"test{os.getpid()}"


def test_the_script_writes_reads_and_sweeps(app: str) -> None:
    ids = ["20260101000001-aaaa", "20260101000002-bbbb"]
    folders = [Path(f"/dev/shm/jarship-{app}-{each}") for each in ids]
    other = Path(f"/dev/shm/jarship-{app}-b-{ids[0]}")
    other.mkdir()
    try:
        for folder in folders:
            for _ in range(2):  # the second time over what is there
                done = script("write", str(folder), stdin="TOKEN czNjcmV0Cg==\nEMPTY \n")
                assert (done.returncode, done.stderr) == (0, "")
        assert (folders[0] / "files/TOKEN").read_bytes() == b"s3cret\n"
        assert stat.S_IMODE(folders[0].stat().st_mode) == 0o700
        assert stat.S_IMODE((folders[0] / "files/TOKEN").stat().st_mode) == 0o444
        told = script("read", *map(str, folders), "/dev/shm/nowhere").stdout.splitlines()
        assert told == [line for f in folders for line in (f"{f} EMPTY ", f"{f} TOKEN czNjcmV0Cg==")]
        assert script("sweep", app, ids[1], "").returncode == 0
        assert [folder.exists() for folder in (*folders, other)] == [False, True, True]
        assert script("sweep", app).returncode == 0
        assert not folders[1].exists()
    finally:
        other.rmdir()


def test_a_place_that_is_not_ours_is_refused(app: str, tmp_path: Path) -> None:
    folder = Path(f"/dev/shm/jarship-{app}-20260101000003-cccc")
    folder.symlink_to(tmp_path)
    try:
        done = script("write", str(folder), stdin="TOKEN czNjcmV0Cg==\n")
        assert done.returncode == 1
        assert "another user's" in done.stderr
        assert not list(tmp_path.iterdir())
    finally:
        folder.unlink()
