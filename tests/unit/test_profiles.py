import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deploy.profiles import EXAMPLE, load, profiles
from deploy.values.errors import InputError
from deploy.values.example import example as example_text
from deploy.values.settings import Settings

LEAST = "APP_NAME=hello\nAPP_SOURCE=src\nREGISTRY=r:5000\nHOSTS=h\n"


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)
    return root


def loaded(
    root: Path, files: Mapping[str, str | bytes], environ: Mapping[str, str] | None = None
) -> Settings:
    return load(write(root, files), "dev", environ or {})


def wrong(
    root: Path,
    files: Mapping[str, str | bytes],
    environ: Mapping[str, str] | None = None,
    profile: str = "dev",
) -> InputError:
    with pytest.raises(InputError) as caught:
        load(write(root, files), profile, environ or {})
    return caught.value


def test_a_later_layer_wins_and_every_setting_knows_its_place(tmp_path: Path) -> None:
    result = loaded(
        tmp_path,
        {
            ".env": "MEMORY=100m\nCPUS=1\nBATCH=2\nSTRATEGY=recreate\n",
            ".env.dev": LEAST + "MEMORY=200m\nCPUS=2\nBATCH=3\n",
            ".env.dev.local": "MEMORY=300m\nCPUS=3\n",
            ".env.prod": "MEMORY=900m\n",
        },
        {"JARSHIP_MEMORY": "400m", "MEMORY": "500m", "HOSTS": "elsewhere"},
    )

    assert (result.memory, result.cpus, result.batch.count, result.strategy) == (
        400 * 1024**2,
        3.0,
        3,
        "recreate",
    )
    assert result.hosts[0].address == "h"
    assert {key: result.origins[key] for key in ("MEMORY", "CPUS", "BATCH", "STRATEGY", "MONITOR")} == {
        "MEMORY": "environment",
        "CPUS": ".env.dev.local:2",
        "BATCH": ".env.dev:7",
        "STRATEGY": ".env:4",
        "MONITOR": "default",
    }


@given(layers=st.sets(st.sampled_from([".env", ".env.dev", ".env.dev.local", "environment"])))
@settings(max_examples=16, deadline=None)
def test_the_last_layer_that_says_something_wins(
    tmp_path_factory: pytest.TempPathFactory, layers: set[str]
) -> None:
    order = [".env", ".env.dev", ".env.dev.local", "environment"]
    memory = {layer: f"{number}00m" for number, layer in enumerate(order, start=1) if layer in layers}
    files = {name: LEAST if name == ".env.dev" else "" for name in order[:3]}
    files = {
        name: f"MEMORY={memory[name]}\n{text}" if name in memory else text for name, text in files.items()
    }
    environ = {"JARSHIP_MEMORY": memory["environment"]} if "environment" in memory else {}

    result = loaded(tmp_path_factory.mktemp("layers"), files, environ)

    last = max(layers, key=order.index, default="default")
    assert result.origins["MEMORY"].partition(":")[0] == last
    assert result.memory == (int(memory[last][:-1]) * 1024**2 if layers else None)


def test_paths_of_files_become_absolute(tmp_path: Path) -> None:
    keys = "SSH_KEY=~/.ssh/id\nSSH_KNOWN_HOSTS=hosts\nREGISTRY_CA=/etc/ca.crt\n"
    result = loaded(tmp_path, {".env.dev": LEAST + keys}, {"HOME": "/home/me"})

    assert result.ssh_key == "/home/me/.ssh/id"
    assert result.ssh_known_hosts == str(tmp_path / "hosts")
    assert result.registry_ca == "/etc/ca.crt"
    assert result.app_source == "src"


def test_all_errors_of_all_files_come_at_once_in_order(tmp_path: Path) -> None:
    error = wrong(
        tmp_path,
        {
            ".env": "APP_PROT=1\n",
            ".env.dev": "APP_NAME=Hello\n\nHOSTS=a,\nREGISTRY='x\nSTRATEGY=blue\n",
            ".env.dev.local": "CPUS=0\nCPUS=1\n",
        },
        {"JARSHIP_MEMORY": "700", "JARSHIP_HOST": "x"},
    )

    assert error.exit_code == 2
    assert "9 errors" in error.what
    assert [line.split(": ")[:2] for line in error.details] == [
        [".env:1", "APP_PROT"],
        [".env.dev", "APP_SOURCE"],
        [".env.dev:1", "APP_NAME"],
        [".env.dev:3", "HOSTS[2]"],
        [".env.dev:4", "REGISTRY"],
        [".env.dev:5", "STRATEGY"],
        [".env.dev.local:2", "CPUS"],
        ["environment", "JARSHIP_HOST"],
        ["environment", "JARSHIP_MEMORY"],
    ]


@pytest.mark.input(1)
def test_a_key_stands_once_in_a_file(tmp_path: Path) -> None:
    error = wrong(tmp_path, {".env.dev": LEAST + "HOSTS=h2\nHOSTS=h3\n"})

    assert error.details == (
        ".env.dev:5: HOSTS: already set on line 4",
        ".env.dev:6: HOSTS: already set on line 4",
    )


@pytest.mark.input(6)
def test_a_misspelt_required_key_is_not_missing_too(tmp_path: Path) -> None:
    error = wrong(tmp_path, {".env.dev": LEAST.replace("APP_NAME", "APP_NMAE")})

    assert error.details == (".env.dev:1: APP_NMAE: unknown APP_NMAE; APP_NAME?",)


@pytest.mark.input(19)
@pytest.mark.parametrize("kind", ["nothing", "directory", "fifo", "link to nothing"])
def test_a_profile_without_a_file_is_told_the_others(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".env.dev"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link to nothing":
        path.symlink_to("nothing")

    error = wrong(tmp_path, {".env.prod": LEAST, ".env.stage": LEAST, ".env.prod.local": "", EXAMPLE: ""})

    assert error.what == "no .env.dev; profiles: prod, stage"
    assert (kind in error.why) or kind in ("nothing", "fifo")


@pytest.mark.input(19)
@pytest.mark.parametrize("name", [".env", ".env.dev.local"])
def test_other_files_that_are_none_are_named_and_never_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)

    assert wrong(tmp_path, {".env.dev": LEAST}).details == (f"{name}: is not a regular file",)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert wrong(tmp_path, {}).details[0].startswith(f"{name}: ")
    (tmp_path / name).rmdir()
    (tmp_path / name).symlink_to("nothing")
    assert wrong(tmp_path, {}).details == (f"{name}: cannot be read: No such file or directory",)


@pytest.mark.input(21)
@pytest.mark.parametrize(
    "profile", ["../prod", "", "Prod", "example", "local", "dev.local", "a\0b", "/etc/passwd"]
)
def test_a_name_that_can_be_no_profile_is_never_a_path(tmp_path: Path, profile: str) -> None:
    error = wrong(tmp_path, {".env.prod": LEAST, EXAMPLE: LEAST}, profile=profile)

    assert error.what == f"unknown profile {profile!r}; profiles: prod"


def test_profiles_are_files_of_the_team(tmp_path: Path) -> None:
    files = {
        ".env",
        EXAMPLE,
        ".env.local",
        ".env.dev",
        ".env.dev.local",
        ".env.B",
        ".env.prod-eu",
        ".environment",
    }
    write(tmp_path, dict.fromkeys(files, ""))
    (tmp_path / ".env.directory").mkdir()

    assert profiles(tmp_path) == ("dev", "prod-eu")


def test_the_example_speaks_where_nobody_has_set_anything(tmp_path: Path) -> None:
    result = loaded(tmp_path, {EXAMPLE: example_text()}, {"JARSHIP_SETUP": "never", "PATH": "/bin"})

    assert result.hosts_sandbox
    assert result.setup == "never"
    assert result.notes == (
        "There is no .env.dev: reading .env.example, which deploys the example application to a sandbox.",
    )
    assert result.origins["APP_NAME"].startswith(f"{EXAMPLE}:")


@pytest.mark.parametrize(
    ("files", "environ", "profile", "why"),
    [
        ({".env": ""}, {}, "dev", "here is .env"),
        ({".env.prod": ""}, {}, "dev", "here is .env.prod"),
        ({".env.dev.local": ""}, {}, "dev", "here is .env.dev.local"),
        ({".env.local": ""}, {}, "dev", "here is .env.local"),
        ({}, {"JARSHIP_REGISTRY_PASSWORD": "x"}, "dev", "here is JARSHIP_REGISTRY_PASSWORD"),
        ({}, {"JARSHIP_SETUP": "never", "JARSHIP_X": ""}, "dev", "here is JARSHIP_X"),
        ({}, {}, "prod", "for the profile dev only"),
    ],
)
def test_the_example_is_silent_where_somebody_has(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], profile: str, why: str
) -> None:
    error = wrong(tmp_path, {EXAMPLE: example_text(), **files}, environ, profile)

    assert error.what.startswith(f"no .env.{profile}; profiles: ")
    assert error.why.endswith(why)
    assert error.advice


def test_secrets_stay_out_of_committed_files(tmp_path: Path) -> None:
    keys = (
        "SECRET_DB=hunter2\nAPP_GIT_TOKEN=hunter2\nREGISTRY_PASSWORD=hunter2\nAPP_ENV_DB_PASSWORD=hunter2\n"
    )
    error = wrong(tmp_path, {".env.dev": LEAST + "REGISTRY_USER=u\n" + keys})

    assert [line.partition(", which")[0] for line in error.details] == [
        ".env.dev:6: SECRET_DB: no secrets in .env.dev",
        ".env.dev:7: APP_GIT_TOKEN: no secrets in .env.dev",
        ".env.dev:8: REGISTRY_PASSWORD: no secrets in .env.dev",
        ".env.dev:9: APP_ENV_DB_PASSWORD: no secrets in .env.dev",
    ]
    assert "hunter2" not in "".join(error.details)


@pytest.mark.input(20)
@pytest.mark.parametrize("name", [".env", ".env.dev.local"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_files_with_secrets_are_for_their_owner_only(tmp_path: Path, name: str, mode: int) -> None:
    write(tmp_path, {".env.dev": LEAST, name: "SECRET_X=hunter2\n"})
    (tmp_path / name).chmod(mode)

    with pytest.raises(InputError) as caught:
        load(tmp_path, "dev", {})
    assert caught.value.details == (
        f"{name}: holds secrets and others may read or write it; chmod 600 {name}",
    )


def test_files_without_secrets_are_for_everybody(tmp_path: Path) -> None:
    write(tmp_path, {".env.dev": LEAST, ".env": "MEMORY=700m\n", ".env.dev.local": "CPUS=1\n"})
    for name in (".env", ".env.dev", ".env.dev.local"):
        (tmp_path / name).chmod(0o666)

    assert load(tmp_path, "dev", {}).cpus == 1.0


@pytest.mark.input(4)
def test_the_environment_may_hold_bytes_that_are_no_text(tmp_path: Path) -> None:
    error = wrong(tmp_path, {".env.dev": LEAST}, {"JARSHIP_APP_ENV_X": os.fsdecode(b"\xe4")})

    assert error.details == ("environment: JARSHIP_APP_ENV_X: not UTF-8",)


def test_who_has_thousands_of_errors_is_shown_some(tmp_path: Path) -> None:
    lines = "".join(f"X{number}=1\n" for number in range(900))
    error = wrong(tmp_path, {".env": lines, ".env.dev": LEAST + "".join("HOSTS=h\n" for _ in range(50))})

    assert len(error.details) == 201
    assert error.details[-1] == "… and 50 more"


def errors(root: Path, files: Mapping[str, str | bytes]) -> tuple[str, ...]:
    try:
        load(write(root, files), "dev", {})
    except InputError as error:
        assert error.details or error.what.startswith("no .env.dev")  # noqa: PT017 (or it is accepted)
        return error.details
    return ()


@given(content=st.binary(max_size=200), local=st.binary(max_size=60))
@example(content=b"", local=b"\0")
@settings(max_examples=60, deadline=None)
def test_any_bytes_in_a_file_are_settings_or_errors(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, local: bytes
) -> None:
    found = errors(
        tmp_path_factory.getbasetemp(), {".env.dev": LEAST.encode() + content, ".env.dev.local": local}
    )

    assert all(line.startswith(".env.dev") for line in found)


PIECES = st.sampled_from(
    [
        *(
            "APP_NAME",
            "APP_ENV_X",
            "SECRET_A",
            "HOSTS",
            "BATCH",
            "MEMORY",
            "X",
            "hello",
            "700m",
            "~hunter2",
            "1",
        ),
        *("=", "=", "'", '"', "\n", "\n", "\r", "\t", " ", "#", "export ", "\\", "$(id)", "${B}", ",", ":"),
        *("\x00", "\u201c", "é"),
    ]
)


@given(content=st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=100, deadline=None)
def test_any_text_that_looks_like_settings_is_settings_or_errors(
    tmp_path_factory: pytest.TempPathFactory, content: str
) -> None:
    found = errors(tmp_path_factory.getbasetemp(), {".env.dev": LEAST, ".env.dev.local": content})

    assert "hunter2" not in "".join(found)
