"""From source to jar with a wrapper that copies: when it runs, what is taken, what is told."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.artifact.jar import LOG, build_jar
from deploy.artifact.source import look
from deploy.values.build import Build
from deploy.values.errors import BuildError, InputError, Interrupted
from deploy.values.events import Event, Stream
from tests.support.boot_jars import write_boot_jar, write_jar
from tests.support.git_server import git, write_files
from tests.support.java import make_jdk
from tests.support.settings import make_settings

WRAPPER = """#!/bin/sh
echo "built with $*"
mkdir -p target
rm -f target/app.jar
cp ../made/app.jar target/app.jar
"""


class Project:
    """An application in `root`/app whose wrapper copies `root`/made/app.jar into target/."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "app"
        self.made = root / "made"
        self.events: list[Event] = []
        write_files(self.folder, {"pom.xml": "<project/>", "src/App.java": "class App {}", "mvnw": WRAPPER})
        write_boot_jar(self.made / "app.jar")

    def build(self, *, force: bool = False, **changes: Any) -> Build:
        self.events.clear()
        settings = make_settings(app_source="app", **changes)
        return build_jar(settings, self.root, force=force, stream=Stream(self.events.append))

    def told(self, kind: str) -> list[str]:
        return [event.text for event in self.events if event.kind == kind]

    @property
    def was_built(self) -> bool:
        return bool(self.told("started"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("JAVA_HOME", str(make_jdk(tmp_path / "jdk")))
    return Project(tmp_path / "root")


def test_a_build_tells_source_and_jar(project: Project) -> None:
    build = project.build()

    assert build.app == "hello"
    assert build.source.path == "app"
    assert build.jar.path == "app/target/app.jar"
    assert (build.jar.version, build.jar.boot_version) == ("1.0.0", "3.5.0")
    assert build.jar.start_class == "com.example.Application"
    assert build.jar.layers[0] == "dependencies"
    assert build.jar.actuator
    assert build.jar.size == (project.folder / "target/app.jar").stat().st_size
    assert (build.image, build.pushed) == (None, None)


def test_output_streams_and_is_kept(project: Project) -> None:
    project.build()

    assert project.told("output") == ["built with -B package"]
    assert (project.root / LOG).read_text() == "built with -B package\n"
    assert project.told("started") == ["Build the jar: sh ./mvnw -B package"]


def test_gradle_s_executable_jar_is_taken_and_not_the_plain_one(project: Project) -> None:
    (project.folder / "mvnw").unlink()
    write_jar(project.made / "app-plain.jar", {"Created-By": "Gradle"})
    script = "mkdir -p build/libs && cp ../made/*.jar build/libs/ && echo $0 $*"
    write_files(project.folder, {"gradlew": f"#!/bin/sh\n{script}\n", "build.gradle": ""})
    (project.folder / "gradlew").chmod(0o755)

    assert project.build().jar.path == "app/build/libs/app.jar"
    assert project.told("output") == ["./gradlew clean build"]
    assert project.told("warning") == []


class TestSkipping:
    """When there is nothing to do, nothing is done."""

    def test_a_second_call_takes_the_jar_that_is_there(self, project: Project) -> None:
        first = project.build()
        second = project.build()

        assert not project.was_built
        assert project.told("note") == ["app/target/app.jar is up to date"]
        assert second == first

    @pytest.mark.parametrize(
        "change",
        [
            lambda root: (root / "app/src/App.java").write_text("class App { }"),
            lambda root: (root / "app/src/New.java").write_text("class New {}"),
            lambda root: (root / "app/mvnw").chmod(0o755),
            lambda root: (root / "app/target/app.jar").unlink(),
            lambda root: write_boot_jar(root / "app/target/app.jar", page="replaced"),
            lambda root: (root.parent / "jdk/release").write_text('JAVA_VERSION="21.0.1"\n'),
            lambda root: (root / "build/jar.json").write_text("{"),
            lambda root: (root / "build/jar.json").unlink(),
        ],
        ids=[
            "content",
            "new file",
            "executable bit",
            "jar gone",
            "jar replaced",
            "JDK",
            "broken",
            "forgotten",
        ],
    )
    def test_whatever_it_depends_on_builds_again(self, project: Project, change: object) -> None:
        assert callable(change)
        project.build()
        change(project.root)
        project.build()
        assert project.was_built

    def test_another_command_builds_again(self, project: Project) -> None:
        project.build()
        project.build(build_command="sh ./mvnw -B package -DskipTests")
        assert project.was_built

    def test_force_builds(self, project: Project) -> None:
        project.build()
        project.build(force=True)
        assert project.was_built

    def test_a_commit_of_what_is_there_does_not(self, project: Project) -> None:
        project.build()
        git(project.folder, "init", "--quiet")
        (project.folder / ".git/info/exclude").write_text("target/\n")
        git(project.folder, "add", "--all")
        git(project.folder, "commit", "--quiet", "--message", "First")

        build = project.build()

        assert not project.was_built
        assert build.source.commit == git(project.folder, "rev-parse", "HEAD")
        assert not build.source.dirty

    def test_a_failed_build_is_not_remembered(self, project: Project) -> None:
        project.build()
        write_files(project.folder, {"mvnw": "#!/bin/sh\nexit 1\n"})
        for _ in range(2):
            with pytest.raises(BuildError):
                project.build()
            assert project.was_built

    def test_the_last_jar_is_known_again_after_a_failure_was_taken_back(self, project: Project) -> None:
        project.build()
        write_files(project.folder, {"mvnw": "#!/bin/sh\nexit 1\n"})
        with pytest.raises(BuildError):
            project.build()
        write_files(project.folder, {"mvnw": WRAPPER})

        project.build()

        assert not project.was_built


@pytest.mark.fault(12)
class TestFailing:
    """A build that fails says how, and ends with 4."""

    def test_the_last_30_lines_and_the_whole_log_are_there(self, project: Project) -> None:
        script = 'for i in $(seq 100); do echo "line $i"; done; echo broken >&2; exit 3'

        with pytest.raises(BuildError) as caught:
            project.build(build_command=script)

        failure = caught.value
        assert failure.exit_code == 4
        assert failure.why == "exit code 3"
        assert failure.details == (*(f"line {number}" for number in range(72, 101)), "broken")
        assert "build/logs/jar.log" in failure.advice
        assert len((project.root / LOG).read_text().splitlines()) == 101
        assert "failed" in [event.kind for event in project.events]

    def test_a_signal_that_ended_the_build_is_told(self, project: Project) -> None:
        with pytest.raises(BuildError) as caught:
            project.build(build_command="kill -9 $$")

        assert caught.value.why == "ended by signal 9: Killed"

    def test_a_wrapper_whose_interpreter_is_missing_is_told(self, project: Project) -> None:
        write_files(project.folder, {"mvnw": "#!/no/such/shell\n"})
        (project.folder / "mvnw").chmod(0o755)

        with pytest.raises(BuildError, match=r"\./mvnw -B package cannot be started"):
            project.build()

    def test_no_executable_jar_is_a_failure_of_the_step(self, project: Project) -> None:
        write_jar(project.made / "app.jar", {"Main-Class": "com.example.Main"})

        with pytest.raises(BuildError, match="no executable"):
            project.build()

        assert not project.told("finished")

    def test_the_log_holds_no_secret(self, project: Project) -> None:
        with pytest.raises(BuildError) as caught:
            project.build(build_command="echo hush-hush; exit 1", secrets={"DB": SecretStr("hush-hush")})

        assert caught.value.details == ("****",)
        assert (project.root / LOG).read_text() == "****\n"


class TestLeftAlone:
    """A build that does not write the jar anew."""

    def test_an_old_jar_is_not_the_result(self, project: Project) -> None:
        write_boot_jar(project.folder / "target/app.jar")
        time.sleep(0.02)
        write_files(project.folder, {"src/App.java": "class App { int newer; }"})

        with pytest.raises(BuildError, match="earlier build"):
            project.build(build_command="true")

    def test_a_jar_that_came_after_the_source_is_up_to_date(self, project: Project) -> None:
        time.sleep(0.02)
        write_boot_jar(project.folder / "target/app.jar")

        assert project.build(build_command="true").jar.path == "app/target/app.jar"
        assert project.told("note") == ["The build left app.jar as it was: up to date"]

    def test_a_jar_of_the_same_command_is_up_to_date_when_a_page_of_the_manual_changed(
        self, project: Project
    ) -> None:
        command = "test -e target/app.jar || sh ./mvnw"
        project.build(build_command=command)
        time.sleep(0.02)
        write_files(project.folder, {"README.md": "changed"})

        project.build(build_command=command)

        assert project.told("note") == ["The build left app.jar as it was: up to date"]

    def test_a_jar_that_belongs_to_the_source_is_taken(self, project: Project) -> None:
        write_boot_jar(project.folder / "delivered/app.jar")
        time.sleep(0.02)
        write_files(project.folder, {"README.md": "newer"})

        assert project.build(build_command="true", jar="delivered/*.jar").jar.path == "app/delivered/app.jar"


class TestLeftBehind:
    """Files that the build leaves in the source."""

    def test_new_ones_do_not_make_the_next_call_build(self, project: Project) -> None:
        command = "sh ./mvnw && echo made > generated.txt"

        first = project.build(build_command=command)
        assert project.told("warning") == ["The build left files that git does not ignore: generated.txt"]

        assert project.build(build_command=command) == first
        assert not project.was_built

    def test_changed_ones_do_and_the_next_steps_find_them(self, project: Project) -> None:
        command = "sh ./mvnw && date +%N >> src/App.java"

        build = project.build(build_command=command)
        assert "Changed while the jar was built: src/App.java" in project.told("warning")[0]
        assert look(make_settings(app_source="app"), project.root) == build.source

        project.build(build_command=command)
        assert project.was_built


def test_the_project_s_directory_is_respected(project: Project) -> None:
    shutil.move(project.folder, project.root / "moved")
    shutil.move(project.root / "moved", project.root / "app/service")
    shutil.move(project.made, project.root / "app/made")

    build = project.build(app_dir="service")

    assert build.source.path == "app/service"
    assert build.jar.path == "app/service/target/app.jar"


def test_two_wrappers_end_before_anything_runs(project: Project) -> None:
    write_files(project.folder, {"gradlew": WRAPPER})

    with pytest.raises(InputError, match="two ways"):
        project.build()

    assert not project.was_built


def test_the_build_gets_no_secret_of_ours(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JARSHIP_REGISTRY_PASSWORD", "p")
    monkeypatch.setenv("JARSHIP_APP_NAME", "n")

    project.build(build_command="sh ./mvnw; env | grep JARSHIP_")

    assert project.told("output")[1:] == ["JARSHIP_APP_NAME=n"]


def test_a_second_build_in_the_same_place_waits(project: Project) -> None:
    slow = "sh ./mvnw; sleep 0.5"
    other = threading.Thread(target=project.build, kwargs={"build_command": slow})
    other.start()
    while not (project.root / LOG).exists():
        time.sleep(0.01)
    events: list[Event] = []

    settings = make_settings(app_source="app", build_command=slow)
    build_jar(settings, project.root, force=False, stream=Stream(events.append))

    other.join()
    assert [event.text for event in events] == [
        "Waiting for another build in this directory",
        "app/target/app.jar is up to date",
    ]


@pytest.fixture
def interrupting() -> Iterator[None]:
    def interrupt(number: int, _frame: object) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.fault(37)
@pytest.mark.usefixtures("interrupting")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(project: Project, number: signal.Signals) -> None:
    marker = f"sleep {60 + number / 1000}"
    timer = threading.Timer(0.4, os.kill, (os.getpid(), number))
    timer.start()

    with pytest.raises(Interrupted):
        project.build(build_command=f"{marker} & ({marker} & wait) & wait")

    timer.join()
    running = subprocess.run(["ps", "-eo", "stat,args"], capture_output=True, text=True, check=True).stdout
    assert [line for line in running.splitlines() if line.endswith(marker) and not line.startswith("Z")] == []
    assert not project.told("finished")


def test_a_build_whose_starter_was_killed_is_waited_for(project: Project) -> None:
    script = (
        "import sys; from pathlib import Path; from deploy.artifact.jar import build_jar;"
        "from deploy.values.events import Stream; from tests.support.settings import make_settings;"
        "build_jar(make_settings(app_source='app', build_command='echo here; sleep 0.7; touch ../ended'),"
        "Path(sys.argv[1]), force=False, stream=Stream(lambda event: print(event.text, flush=True)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, project.root],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != "here":
        pass
    process.kill()
    process.wait()
    process.stdout.close()

    project.build()

    assert (project.root / "ended").exists()
    assert project.told("note") == ["Waiting for another build in this directory"]
