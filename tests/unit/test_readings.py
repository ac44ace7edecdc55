"""What a host says of itself is read as it was recorded, and its script says it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.hosts import probe, readings
from deploy.hosts.readings import Cgroup, Readings, memory
from deploy.values.facts import PathFacts
from deploy.values.mounts import Mount

SCRIPT = Path(probe.__file__).with_name("probe.sh")

MEMINFO = """\
MemTotal:        1009936 kB
MemFree:           70212 kB
MemAvailable:     411220 kB
Buffers:           10252 kB
"""

LISTENING = """\
LISTEN 0      128          0.0.0.0:22    0.0.0.0:*
LISTEN 0      4096   127.0.0.53%lo:53    0.0.0.0:*
LISTEN 0      4096       127.0.0.1:8080  0.0.0.0:*
LISTEN 0      128             [::]:22       [::]:*
LISTEN 0      4096               *:9100        *:*
"""

CONNECTIONS = """\
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1681 1
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 2436 1
   2: 0100007F:0017 0200007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 2437 1
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0 0
"""

RECORDED = "\0".join(
    [
        "clock 1795449143",
        "id uid=1001(deploy) gid=1001(deploy) groups=1001(deploy),27(sudo),105(docker)",
        "home /home/deploy",
        "boot_id 702c8b35-5491-4b1a-9025-e7c0a627b41e",
        f"meminfo {MEMINFO}",
        f"listening {LISTENING}",
        "tool flock",
        "tool find",
        "cgroup 734003200 262144000 41943040",
        "cgroup 9223372036854771712 2842062848 1066233856",
        "disk 19517928 4096 16777216 16289866",
        "mount /srv/app log\nthere drwxr-xr-x 2 1001 1001 4096 Nov 23 15:00 /srv/app log",
        "/srv/app log/old.log",
        "/srv/app log/with\nnewline and mount /x",
        "mount /nope\nmissing",
        "mount /root/x\ndenied",
        "log /srv/app log/app.log\nthere -rw-r--r--+ 1 0 0 0 Nov 23 15:00 /srv/app log/app.log",
        "",
    ]
)


@pytest.fixture(scope="module")
def recorded() -> Readings:
    return readings.parse(RECORDED)


def test_the_host_itself_is_read(recorded: Readings) -> None:
    assert recorded.clock == 1795449143
    assert (recorded.user, recorded.groups) == ("deploy", ("deploy", "sudo", "docker"))
    assert recorded.home == "/home/deploy"
    assert recorded.tools == {"flock", "find"}


def test_ports_are_those_that_listen_in_both_families(recorded: Readings) -> None:
    assert recorded.listening == (22, 53, 8080, 9100)
    assert readings.parse(f"connections {CONNECTIONS}\0").listening == (22, 8080)


def test_the_disk_is_read_in_bytes(recorded: Readings) -> None:
    assert recorded.disk_free == 19517928 * 4096
    assert recorded.inodes_free == 16289866
    assert readings.disk("100 4096 0 0") == (409600, None)  # btrfs
    assert readings.disk("") == (0, 0)


def test_mounts_are_read_with_the_files_that_cannot_be_written(recorded: Readings) -> None:
    there, missing, denied = recorded.mounts

    assert (there.path, there.answer, there.uid, there.mode) == ("/srv/app log", "there", 1001, 0o755)
    assert there.unwritable == ("/srv/app log/old.log", "/srv/app log/with\nnewline and mount /x")
    assert (missing.answer, denied.answer) == ("missing", "denied")


def test_the_log_is_read(recorded: Readings) -> None:
    assert recorded.log is not None
    assert recorded.log.kind == "file"
    assert recorded.log.access_list


class TestMemory:
    def test_a_limit_of_its_own_counts(self, recorded: Readings) -> None:
        assert memory(recorded).total == 734003200
        assert memory(recorded).available == 411220 * 1024

    def test_what_the_limit_leaves_counts(self) -> None:
        group = Cgroup(limit=700 << 20, used=650 << 20, reclaimable=20 << 20)

        assert memory(Readings(meminfo=MEMINFO, cgroups=(group,))).available == 70 << 20

    def test_the_smallest_of_nested_limits_counts(self) -> None:
        groups = tuple(Cgroup(limit=n << 20, used=0, reclaimable=0) for n in (300, 200, 500))

        assert memory(Readings(meminfo=MEMINFO, cgroups=groups)).total == 200 << 20

    def test_without_a_limit_the_machine_counts(self) -> None:
        for text in ("max 1000 5", "9223372036854771712 1000 5"):
            group = readings.cgroup(text)
            assert memory(Readings(meminfo=MEMINFO, cgroups=(group,))).total == 1009936 * 1024

    def test_more_used_than_allowed_is_nothing_left(self) -> None:
        group = Cgroup(limit=100, used=200, reclaimable=0)

        assert memory(Readings(meminfo=MEMINFO, cgroups=(group,))).available == 0


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("drwxr-xr-x", 0o755),
        ("-rw-r-----", 0o640),
        ("drwxrwxrwt", 0o777),
        ("drwxrwx--T+", 0o770),
        ("-rwsr-Sr-x.", 0o745),
    ],
)
def test_modes_are_read_as_ls_writes_them(letters: str, expected: int) -> None:
    assert readings.mode(letters) == expected


class TestWhoMayWrite:
    @pytest.mark.parametrize(
        ("uid", "gid", "mode", "expected"),
        [
            (10001, 10001, 0o755, True),
            (10001, 10001, 0o555, False),
            (5, 10001, 0o775, True),
            (5, 10001, 0o755, False),
            (5, 5, 0o777, True),
            (5, 5, 0o776, False),
            (0, 0, 0o000, True),
        ],
    )
    def test_a_directory(self, uid: int, gid: int, mode: int, expected: bool) -> None:
        path = PathFacts(path="/d", answer="there", uid=10001, gid=10001, mode=mode, kind="directory")

        assert path.writable_by(uid, gid) is expected

    def test_a_file_needs_no_right_to_search(self) -> None:
        path = PathFacts(path="/f", answer="there", uid=1, gid=1, mode=0o666, kind="file")

        assert path.writable_by(5, 5) is True

    def test_missing_is_no_and_unseen_is_unknown(self) -> None:
        assert PathFacts(path="/f", answer="missing").writable_by(1, 1) is False
        assert PathFacts(path="/f", answer="denied").writable_by(1, 1) is None

    def test_an_access_list_may_say_more_than_the_mode(self) -> None:
        path = PathFacts(path="/f", answer="there", uid=1, mode=0o700, kind="directory", access_list=True)

        assert path.writable_by(5, 5) is None
        assert path.writable_by(1, 1) is True


class TestTheScript:
    """Run here, on files of the test."""

    def ask(self, *arguments: str) -> Readings:
        argv = ["bash", str(SCRIPT), *arguments]
        return readings.parse(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

    def test_it_says_everything_about_this_machine(self, tmp_path: Path) -> None:
        seen = self.ask(str(tmp_path / "not there yet"), "", "", "", "")

        assert seen.clock > 1e9
        assert seen.user
        assert memory(seen).total >= memory(seen).available > 0
        assert seen.disk_free > 0
        assert seen.boot_id
        assert ("flock" in seen.tools) == bool(shutil.which("flock"))

    def test_it_looks_at_mounts_and_their_files(self, tmp_path: Path) -> None:
        logs = tmp_path / "a log"
        logs.mkdir()
        for name, mode in {"mine.log": 0o644, "all.log": 0o666}.items():
            (logs / name).write_text("")
            (logs / name).chmod(mode)
        log = str(logs / "deep/er/app.log")
        seen = self.ask("/", "65533", "65533", log, "", str(logs), str(tmp_path / "no"))

        there, missing = seen.mounts
        assert there.kind == "directory"
        assert there.uid == os.getuid()
        assert there.unwritable == (str(logs / "mine.log"),)
        assert missing.answer == "missing"
        assert seen.log is not None
        assert seen.log.path == str(logs)

    def test_a_file_on_the_way_is_not_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        assert self.ask("/", "1", "1", "", "", str(tmp_path / "file/below")).mounts[0].answer == "missing"

    def test_an_odd_name_is_taken_as_it_is(self, tmp_path: Path) -> None:
        odd = tmp_path / "$(touch pwned) '; x"
        odd.mkdir()

        assert self.ask("/", "1", "1", "", "", str(odd)).mounts[0].path == str(odd)
        assert not Path("pwned").exists()

    def test_it_reads_the_file_of_the_registrys_authority(self, tmp_path: Path) -> None:
        there, hidden = tmp_path / "ca.crt", tmp_path / "hidden"
        there.write_text("-----BEGIN\nx\n")
        hidden.mkdir(mode=0)

        assert self.ask("/", "", "", "", str(there)).authority == "-----BEGIN\nx"
        assert self.ask("/", "", "", "", str(tmp_path / "no/ca.crt")).authority == ""
        assert self.ask("/", "", "", "", "").authority is None
        if os.getuid():
            assert self.ask("/", "", "", "", str(hidden / "ca.crt")).authority is None


LOGS = Mount(source="/srv/log", target="/logs")


@pytest.mark.parametrize(
    ("log_file", "mounts", "expected"),
    [
        (None, [LOGS], None),
        ("/logs/app.log", [LOGS], "/srv/log/app.log"),
        ("/logs/deep/app.log", [LOGS, Mount(source="/srv/deep/", target="/logs/deep")], "/srv/deep/app.log"),
        ("/logsx/app.log", [LOGS], None),
        ("/other/app.log", [LOGS], None),
    ],
)
def test_a_log_file_lies_on_the_host_where_its_mount_does(
    log_file: str | None, mounts: list[Mount], expected: str | None
) -> None:
    assert probe.log_on_host(log_file, mounts) == expected


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("amd64", "amd64"), ("s390x", "s390x")],
)
def test_architectures_are_named_as_images_name_them(machine: str, expected: str) -> None:
    assert probe.architecture(machine) == expected


@given(st.lists(st.integers(1, 65535), unique=True, max_size=20))
def test_every_listening_port_is_found(ports: list[int]) -> None:
    lines = [f" {n}: 0100007F:{port:04X} 00000000:0000 0A 0 0" for n, port in enumerate(ports)]

    assert readings.connections("\n".join(lines)) == tuple(sorted(ports))
