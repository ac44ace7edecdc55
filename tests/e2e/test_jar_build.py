"""The example application from source to jar, by its own wrapper."""

import hashlib
import json
import shutil
import socket
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from deploy.artifact import jar, source
from deploy.artifact.bom import PATH, write_bom
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from tests.support.applications import (
    HELLO,
    PAGE,
    PLAIN,
    Application,
    build_application,
    copy_application,
    copy_files,
)
from tests.support.git_server import git, make_repository, serving
from tests.support.leaks import canary
from tests.support.settings import make_settings


@pytest.fixture
def copy(hello: Application, tmp_path: Path) -> Path:
    """A copy of the built application, to change."""
    shutil.copytree(hello.root, tmp_path / "copy")
    return tmp_path / "copy"


def change_page(root: Path, before: str, after: str) -> None:
    page = root / "app" / PAGE
    text = page.read_text()
    assert before in text
    page.write_text(text.replace(before, after))


def test_the_jar_is_what_the_wrapper_made(hello: Application) -> None:
    found = hello.build.jar

    assert hello.jar == hello.root / "app/target/hello-1.0.0.jar"
    assert (found.version, found.start_class) == ("1.0.0", "com.example.hello.HelloApplication")
    assert found.boot_version.startswith("3.5.")
    assert found.layers == ("dependencies", "spring-boot-loader", "snapshot-dependencies", "application")
    assert found.actuator
    assert found.size == hello.jar.stat().st_size < 30_000_000
    assert found.sha256 == hashlib.sha256(hello.jar.read_bytes()).hexdigest()
    assert "BUILD SUCCESS" in (hello.root / jar.LOG).read_text()


def test_its_bill_of_materials_names_every_library_by_its_coordinates(hello: Application) -> None:
    write_bom(hello.build, hello.root, Stream())
    with zipfile.ZipFile(hello.jar) as jar:
        inside = {
            name for name in jar.namelist() if name.startswith("BOOT-INF/lib/") and name.endswith(".jar")
        }
    told = {each["bom-ref"]: each for each in json.loads((hello.root / PATH).read_text())["components"]}
    assert told.keys() == inside
    assert all(each["purl"].startswith("pkg:maven/") for each in told.values())


def test_its_own_test_ran(hello: Application) -> None:
    assert "Tests run: 1, Failures: 0, Errors: 0, Skipped: 0" in (hello.root / jar.LOG).read_text()


def test_a_second_call_has_nothing_to_do(hello: Application) -> None:
    again = build_application(hello.root)

    assert again.build == hello.build
    assert [event.kind for event in again.events] == ["note"]


@pytest.mark.thorough
def test_the_same_source_elsewhere_makes_the_same_jar(hello: Application, tmp_path: Path) -> None:
    folder = copy_application(HELLO, tmp_path)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Hello")

    other = build_application(tmp_path)

    assert other.build.jar == hello.build.jar
    assert other.build.source.content_hash == hello.build.source.content_hash
    assert not other.build.source.dirty
    assert source.look(make_settings(app_source="app"), tmp_path) == other.build.source


def test_a_changed_page_is_built_into_a_new_jar(hello: Application, copy: Path) -> None:
    change_page(copy, "<h1>Hello</h1>", "<h1>Hello again</h1>")

    changed = build_application(copy)

    assert changed.build.jar.sha256 != hello.build.jar.sha256
    with zipfile.ZipFile(changed.jar) as archive:
        assert b"Hello again" in archive.read("BOOT-INF/classes/com/example/hello/HelloController.class")


@pytest.mark.fault(12)
def test_a_syntax_error_ends_with_the_compiler_s_words(copy: Path) -> None:
    change_page(copy, "@RestController", "@RestController nonsense")

    with pytest.raises(BuildError) as caught:
        build_application(copy)

    assert caught.value.exit_code == 4
    assert any("COMPILATION ERROR" in line for line in caught.value.details)
    assert len(caught.value.details) == 30


def test_a_private_repository_with_a_private_submodule_becomes_a_jar(tmp_path: Path) -> None:
    token = canary("git-token")
    served = tmp_path / "served"
    texts = make_repository(served, "texts")
    commit = texts.commit({"motto.txt": "from the submodule"})
    app = make_repository(served, "app")
    copy_files(HELLO, app.work)
    app.commit({}, submodules={"src/main/resources/texts": ("../texts.git", commit)})
    with serving(served, user="ci", password=token) as server:
        settings: dict[str, Any] = {
            "app_source": None,
            "app_git_url": f"{server.url}/app.git",
            "app_git_ref": "main",
            "app_git_user": "ci",
            "app_git_token": SecretStr(token),
        }
        built = build_application(tmp_path / "root", **settings)
        again = build_application(tmp_path / "root", **settings)

    assert built.jar == tmp_path / "root/build/source/target/hello-1.0.0.jar"
    assert built.build.source.commit == git(app.work, "rev-parse", "HEAD")
    assert not built.build.source.dirty
    with zipfile.ZipFile(built.jar) as archive:
        assert archive.read("BOOT-INF/classes/texts/motto.txt") == b"from the submodule"
    assert again.build == built.build
    assert [event.text for event in again.events if event.step == "jar"] == [
        "build/source/target/hello-1.0.0.jar is up to date"
    ]


def test_an_application_without_actuator_is_known_as_such(plain: Application) -> None:
    assert plain.build.jar.path == "app/target/plain-2.0.jar"
    assert not plain.build.jar.actuator
    assert plain.build.jar.layers


def test_both_applications_have_one_version_of_spring_boot() -> None:
    version = "<version>3.5."
    lines = {
        next(line.strip() for line in (folder / "pom.xml").read_text().splitlines() if version in line)
        for folder in (HELLO, PLAIN)
    }

    assert len(lines) == 1


def test_the_jar_serves_its_page_and_its_health(hello_jar: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [f"-Dserver.port={port}", "-Dserver.address=127.0.0.1", "-Dspring.profiles.active=test"]
    process = subprocess.Popen(["java", *options, "-jar", hello_jar], stdout=subprocess.DEVNULL)
    try:
        page = read_when_up(f"http://127.0.0.1:{port}/", process)
        health = json.loads(read_when_up(f"http://127.0.0.1:{port}/actuator/health", process))
    finally:
        process.terminate()
        code = process.wait(30)

    assert "version <b>1.0.0</b>" in page
    assert "profile <b>test</b>" in page
    assert f"host <b>{socket.gethostname()}</b>" in page
    assert health == {"status": "UP"}
    assert code == 143


def read_when_up(url: str, process: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None
        try:
            with urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except URLError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
