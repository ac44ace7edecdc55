import hashlib
import tarfile
import zipfile
from pathlib import Path

import pytest

from deploy.artifact.layers import APPLICATION, FIXED_TIME, LAYERS, split_jar, write_layers
from deploy.values.errors import BuildError
from tests.support.boot_jars import LAYERS as INDEX
from tests.support.boot_jars import write_boot_jar, write_jar

CUSTOM = """\
- "dependencies":
  - "BOOT-INF/lib/spring-web-6.2.0.jar"
- "company-dependencies":
  - "BOOT-INF/lib/spring-boot-actuator-3.5.0.jar"
- "application":
  - "BOOT-INF/classes/"
  - "META-INF/"
"""
TIME = 1_772_600_767


def sizes_and_hashes(jar: Path, into: Path, time: int = TIME) -> dict[str, str]:
    into.mkdir()
    tars = write_layers(jar, split_jar(jar), into, time)
    return {tar.name: hashlib.sha256(tar.path.read_bytes()).hexdigest() for tar in tars}


def members(path: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return tar.getmembers()


def test_files_go_where_the_index_says(tmp_path: Path) -> None:
    split = split_jar(write_boot_jar(tmp_path / "a.jar"))
    assert split.indexed
    assert split.files["dependencies"] == (
        "BOOT-INF/lib/spring-boot-actuator-3.5.0.jar",
        "BOOT-INF/lib/spring-web-6.2.0.jar",
    )
    assert split.files["snapshot-dependencies"] == ()
    assert "BOOT-INF/layers.idx" in split.files[APPLICATION]


def test_layers_of_a_custom_index_are_folded_into_the_application(tmp_path: Path) -> None:
    split = split_jar(write_boot_jar(tmp_path / "a.jar", layers=CUSTOM))
    assert split.files["dependencies"] == ("BOOT-INF/lib/spring-web-6.2.0.jar",)
    assert "BOOT-INF/lib/spring-boot-actuator-3.5.0.jar" in split.files[APPLICATION]
    # What no layer names is the application's too.
    assert "BOOT-INF/layers.idx" in split.files[APPLICATION]


def test_the_first_layer_that_names_a_file_gets_it(tmp_path: Path) -> None:
    layers = INDEX.replace('- "snapshot-dependencies":', '- "snapshot-dependencies":\n  - "BOOT-INF/lib/"')
    assert split_jar(write_boot_jar(tmp_path / "a.jar", layers=layers)).files["snapshot-dependencies"] == ()


def test_without_an_index_all_is_the_applications(tmp_path: Path) -> None:
    split = split_jar(write_boot_jar(tmp_path / "a.jar", layers=None))
    assert not split.indexed
    assert [layer for layer in LAYERS if split.files[layer]] == [APPLICATION]


def test_the_same_content_gives_the_same_bytes_whatever_the_jars_times_and_order(tmp_path: Path) -> None:
    first = write_boot_jar(tmp_path / "a.jar")
    second = tmp_path / "b.jar"
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second, "w", zipfile.ZIP_DEFLATED) as other:
        for name in reversed(one.namelist()):
            other.writestr(zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6)), one.read(name))
    assert sizes_and_hashes(first, tmp_path / "1") == sizes_and_hashes(second, tmp_path / "2")


def test_tars_are_sorted_with_fixed_times_owners_and_their_directories(tmp_path: Path) -> None:
    jar = write_boot_jar(tmp_path / "a.jar")
    write_layers(jar, split_jar(jar), tmp_path, TIME)
    found = members(tmp_path / "dependencies.tar")
    assert [member.name for member in found] == [
        "app",
        "app/BOOT-INF",
        "app/BOOT-INF/lib",
        "app/BOOT-INF/lib/spring-boot-actuator-3.5.0.jar",
        "app/BOOT-INF/lib/spring-web-6.2.0.jar",
    ]
    assert {(member.mtime, member.uid, member.gid, member.uname) for member in found} == {
        (FIXED_TIME, 0, 0, "")
    }
    assert {oct(member.mode) for member in found} == {"0o755", "0o644"}
    assert [member.name for member in members(tmp_path / "snapshot-dependencies.tar")] == ["app"]


def test_only_the_applications_files_carry_its_time(tmp_path: Path) -> None:
    jar = write_boot_jar(tmp_path / "a.jar")
    one, two = sizes_and_hashes(jar, tmp_path / "1"), sizes_and_hashes(jar, tmp_path / "2", TIME + 1)
    assert [layer for layer in one if one[layer] != two[layer]] == [APPLICATION]
    times = {member.isdir(): member.mtime for member in members(tmp_path / "1" / "application.tar")}
    assert times == {True: FIXED_TIME, False: TIME}


def test_the_newest_class_tells_a_time_for_what_has_no_commit(tmp_path: Path) -> None:
    jar = tmp_path / "a.jar"
    write_boot_jar(jar)
    with zipfile.ZipFile(jar, "a") as archive:
        archive.writestr(zipfile.ZipInfo("BOOT-INF/classes/late.txt", (2040, 1, 1, 0, 0, 0)), b"")
        archive.writestr(zipfile.ZipInfo("BOOT-INF/lib/later.jar", (2050, 1, 1, 0, 0, 0)), b"")
    assert split_jar(jar).newest == 2_208_988_800


def test_the_launcher_is_the_manifests(tmp_path: Path) -> None:
    launcher = "org.springframework.boot.loader.PropertiesLauncher"
    assert split_jar(write_boot_jar(tmp_path / "a.jar", launcher=launcher)).main_class == launcher


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "BOOT-INF/../../x", "a\\b"])
def test_names_that_lead_out_of_the_jar_are_refused(tmp_path: Path, name: str) -> None:
    jar = write_jar(tmp_path / "a.jar", {"Main-Class": "x.JarLauncher"}, {name: b""})
    with pytest.raises(BuildError, match="unpacked outside"):
        split_jar(jar)


def test_what_cannot_be_started_or_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no Main-Class"):
        split_jar(write_jar(tmp_path / "plain.jar", {"Implementation-Version": "1"}))
    (tmp_path / "text.jar").write_text("no jar")
    with pytest.raises(BuildError, match="cannot be read"):
        split_jar(tmp_path / "text.jar")
    with pytest.raises(BuildError, match="cannot be read"):
        split_jar(write_boot_jar(tmp_path / "broken.jar", layers="what is this"))
