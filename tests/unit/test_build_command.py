"""Which command builds a project."""

from pathlib import Path

import pytest

from deploy.artifact.build_command import Command, build_command
from deploy.values.errors import BuildError, InputError
from tests.support.git_server import write_files
from tests.support.java import make_jdk
from tests.support.settings import make_settings


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment with a JDK and the tools that `install` puts there."""
    return {"PATH": str(make_jdk(tmp_path / "jdk") / "bin")}


def install(env: dict[str, str], tool: str) -> None:
    path = Path(env["PATH"]) / tool
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def make(folder: Path, *names: str) -> None:
    write_files(folder, dict.fromkeys(names, ""))
    for name in names:
        if name.endswith(("gradlew", "mvnw")):
            (folder / name).chmod(0o755)


def find(source: Path, env: dict[str, str], directory: str = ".", command: str | None = None) -> Command:
    settings = make_settings(app_source="source", app_dir=directory, build_command=command)
    return build_command(settings, source, (source / directory).resolve(), env)


def test_build_command_goes_before_everything_and_needs_no_java(source: Path) -> None:
    make(source, "gradlew", "mvnw", "service/pom.xml")

    command = find(source, {"PATH": ""}, "service", "make jar && echo 'done'")

    assert command.argv == ("sh", "-c", "make jar && echo 'done'")
    assert command.cwd == source / "service"
    assert command.shown == "make jar && echo 'done'"


@pytest.mark.parametrize(
    ("names", "argv"),
    [
        (["gradlew", "build.gradle"], ("./gradlew", "clean", "build")),
        (["gradlew", "build.gradle.kts"], ("./gradlew", "clean", "build")),
        (["mvnw", "pom.xml"], ("./mvnw", "-B", "package")),
        (["gradlew", "build.gradle", "pom.xml"], ("./gradlew", "clean", "build")),
        (["build.gradle"], ("gradle", "clean", "build")),
        (["settings.gradle.kts"], ("gradle", "clean", "build")),
        (["pom.xml"], ("mvn", "-B", "package")),
    ],
)
def test_a_project_is_built_by_what_it_has(
    source: Path, env: dict[str, str], names: list[str], argv: tuple[str, ...]
) -> None:
    make(source, *names)
    install(env, "gradle")
    install(env, "mvn")

    command = find(source, env)

    assert (command.argv, command.cwd, command.shown) == (argv, source, " ".join(argv))


def test_a_wrapper_that_is_not_executable_is_run_by_sh(source: Path, env: dict[str, str]) -> None:
    make(source, "mvnw", "pom.xml")
    (source / "mvnw").chmod(0o644)

    assert find(source, env).argv == ("sh", "./mvnw", "-B", "package")


@pytest.mark.parametrize("names", [["gradlew", "mvnw"], ["build.gradle", "pom.xml"]])
def test_two_ways_to_build_name_the_key(source: Path, env: dict[str, str], names: list[str]) -> None:
    make(source, *names)

    with pytest.raises(InputError) as caught:
        find(source, env)

    assert all(name in caught.value.what for name in names)
    assert "BUILD_COMMAND" in caught.value.advice


def test_nothing_to_build_with_names_the_keys(source: Path, env: dict[str, str]) -> None:
    make(source, "README.md")

    with pytest.raises(InputError) as caught:
        find(source, env)

    assert "APP_DIR" in caught.value.advice
    assert "BUILD_COMMAND" in caught.value.advice


@pytest.mark.parametrize(
    ("file", "tool", "package"), [("build.gradle", "gradle", "gradle"), ("pom.xml", "mvn", "maven")]
)
def test_a_tool_that_is_not_installed_is_named(
    source: Path, env: dict[str, str], file: str, tool: str, package: str
) -> None:
    make(source, file)

    with pytest.raises(BuildError, match=f"^{tool} is not installed") as caught:
        find(source, env)

    assert f"apt-get install {package}" in caught.value.advice


def test_a_missing_jdk_is_told(source: Path, tmp_path: Path) -> None:
    make(source, "mvnw", "pom.xml")

    with pytest.raises(BuildError, match="no JDK") as caught:
        find(source, {"PATH": "", "JAVA_HOME": str(tmp_path)})

    assert str(tmp_path) in caught.value.why
    assert "default-jdk-headless" in caught.value.advice


class TestModules:
    """APP_DIR is a module of a larger project."""

    def test_a_gradle_module_uses_the_wrapper_above(self, source: Path, env: dict[str, str]) -> None:
        make(source, "gradlew", "settings.gradle", "services/app/build.gradle")

        command = find(source, env, "services/app")

        assert command.argv == ("../../gradlew", "clean", "build")
        assert command.cwd == source / "services/app"

    def test_a_maven_module_is_built_with_the_modules_it_needs(
        self, source: Path, env: dict[str, str]
    ) -> None:
        make(source, "mvnw", "services/app/pom.xml")
        write_files(
            source,
            {
                "pom.xml": "<modules><module> services </module><module>../outside</module></modules>",
                "services/pom.xml": "<modules><module>app/pom.xml</module><module>.</module></modules>",
            },
        )

        command = find(source, env, "services/app")

        assert command.argv == ("./mvnw", "-B", "package", "-pl", "services/app", "-am")
        assert command.cwd == source

    def test_a_maven_project_that_nobody_names_is_built_by_itself(
        self, source: Path, env: dict[str, str]
    ) -> None:
        make(source, "mvnw", "pom.xml", "app/pom.xml")

        command = find(source, env, "app")

        assert (command.argv, command.cwd) == (("../mvnw", "-B", "package"), source / "app")

    def test_a_wrapper_of_another_kind_above_does_not_count(self, source: Path, env: dict[str, str]) -> None:
        make(source, "gradlew", "app/pom.xml")
        install(env, "mvn")

        assert find(source, env, "app").argv == ("mvn", "-B", "package")

    def test_nothing_above_the_source_counts(self, source: Path, env: dict[str, str]) -> None:
        make(source.parent, "mvnw")
        make(source, "pom.xml")
        install(env, "mvn")

        assert find(source, env).argv == ("mvn", "-B", "package")
