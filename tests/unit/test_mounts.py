import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.values.addresses import WrongEntries
from deploy.values.mounts import (
    Mount,
    mount_of,
    parse_container_file,
    parse_inner_path,
    parse_local_path,
    parse_mounts,
)


def test_mounts() -> None:
    assert parse_mounts("/home/ubuntu/applicationlog:/momo, /srv//data/:/data/:ro,/a:/b:rw") == (
        Mount(source="/home/ubuntu/applicationlog", target="/momo"),
        Mount(source="/srv/data", target="/data", read_only=True),
        Mount(source="/a", target="/b"),
    )


@pytest.mark.input(38)
@pytest.mark.parametrize(
    "source",
    [
        *(
            "/",
            "//",
            "/.",
            "/etc",
            "//etc",
            "/etc/",
            "/./etc",
            "/etc/ssl",
            "/proc",
            "/proc/1",
            "/sys/fs",
            "/dev/shm",
        ),
        *("/boot", "/run", "/run/docker.sock", "/var/run/docker.sock", "/root", "/root/.ssh"),
        *("/var/lib/docker", "/var/lib/docker/volumes", "/var/lib", "/var"),
        *(
            "/srv/..",
            "/srv/../etc",
            "../x",
            "srv",
            "./srv",
            "~/x",
            "",
            "/a b",
            "/a$(id)",
            "/a;b",
            "/a`b`",
            "/ä",
        ),
    ],
)
def test_sources_that_are_refused(source: str) -> None:
    with pytest.raises(WrongEntries, match="refused mount"):
        parse_mounts(f"{source}:/x")


@pytest.mark.input(38)
@pytest.mark.parametrize("target", ["/", "//", "x", "/x/..", "/proc", "/proc/1", "/sys", "/dev/shm", ""])
def test_targets_that_are_refused(target: str) -> None:
    with pytest.raises(WrongEntries, match="refused mount"):
        parse_mounts(f"/srv/x:{target}")


@pytest.mark.parametrize("text", ["/a", "/a:/b:no", "/a:/b:ro:x", "/a:/b:", "C:\\a:/b", "/a:/x,/b:/x/"])
def test_forms_that_are_refused(text: str) -> None:
    with pytest.raises(WrongEntries, match="refused mount"):
        parse_mounts(text)


@pytest.mark.input(29)
def test_empty_entries_are_refused() -> None:
    with pytest.raises(WrongEntries, match=r"\[2\]: empty entry"):
        parse_mounts("/a:/b,")


def test_directories_that_only_look_like_refused_ones_are_fine() -> None:
    assert [mount.source for mount in parse_mounts("/etcetera:/a,/variable:/b,/rootless:/c,/home/dev:/d")]


@given(st.text(alphabet="/.:aetcrodv,", max_size=24))
def test_what_is_not_refused_names_no_directory_of_the_system(text: str) -> None:
    try:
        mounts = parse_mounts(text)
    except ValueError:
        return
    for mount in mounts:
        assert mount.source.startswith("/")
        assert not {"..", ""} & set(mount.source[1:].split("/"))
        assert not mount.source.startswith(("/etc/", "/dev/"))
        assert mount.source not in ("/etc", "/dev", "/")
    assert parse_mounts(",".join(map(str, mounts))) == mounts


def test_the_mount_of_a_path_is_the_innermost() -> None:
    mounts = parse_mounts("/a:/x,/b:/x/y:ro")

    assert mount_of("/x/y/z.log", mounts) == mounts[1]
    assert mount_of("/x/z.log", mounts) == mounts[0]
    assert mount_of("/xy/z.log", mounts) is None


def test_a_file_in_the_container() -> None:
    assert parse_container_file("/logs/app.log") == "/logs/app.log"
    for wrong in ("app.log", "/logs/", "/a/../b", "/a b", ""):
        with pytest.raises(ValueError, match="absolute path"):
            parse_container_file(wrong)


@pytest.mark.parametrize("text", ["-x", "a;b", "$(id)", "`id`", "a|b", "", 'a"b'])
def test_local_paths_hold_nothing_for_a_shell(text: str) -> None:
    with pytest.raises(ValueError, match="use a path"):
        parse_local_path(text)


@pytest.mark.parametrize("text", ["/abs", "../up", "a/../../b", "~/x"])
def test_inner_paths_stay_inside(text: str) -> None:
    with pytest.raises(ValueError, match="inside the project"):
        parse_inner_path(text)
    assert parse_inner_path("build/libs/app-*.jar") == "build/libs/app-*.jar"
