"""Which jar a build made."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from deploy.artifact import results
from deploy.values.errors import BuildError, InputError
from tests.support.boot_jars import write_boot_jar, write_jar

WAR = "org.springframework.boot.loader.launch.WarLauncher"


def choose(
    project: Path,
    pattern: str | None = None,
    before: Mapping[Path, results.Stamp] | None = None,
    is_up_to_date: Callable[[Path], bool] = lambda _: False,
) -> str:
    path, content = results.choose(project, pattern, before or {}, is_up_to_date)
    assert content.executable
    return str(path.relative_to(project))


@pytest.mark.parametrize("name", ["target/app.jar", "build/libs/app.jar", "service/build/libs/app.jar"])
def test_the_one_executable_jar_is_found(tmp_path: Path, name: str) -> None:
    write_boot_jar(tmp_path / name)

    assert choose(tmp_path) == name


def test_the_manifest_decides_and_not_the_name(tmp_path: Path) -> None:
    write_jar(tmp_path / "target/app.jar", {"Main-Class": "com.example.Main"})
    write_boot_jar(tmp_path / "target/app-exec.jar")

    assert choose(tmp_path) == "target/app-exec.jar"


@pytest.mark.parametrize("classifier", ["plain", "sources", "javadoc", "tests"])
def test_jars_beside_the_jar_never_count(tmp_path: Path, classifier: str) -> None:
    write_boot_jar(tmp_path / "build/libs/app.jar")
    write_boot_jar(tmp_path / f"build/libs/app-{classifier}.jar")

    assert choose(tmp_path) == "build/libs/app.jar"


@pytest.mark.parametrize(
    "name", ["src/target/app.jar", "target/classes/target/x.jar", ".m2/target/a.jar", "lib/app.jar"]
)
def test_jars_that_are_no_results_do_not_count(tmp_path: Path, name: str) -> None:
    write_boot_jar(tmp_path / name)

    with pytest.raises(BuildError, match="no executable Spring Boot jar") as caught:
        choose(tmp_path)

    assert str(tmp_path) in caught.value.why


def test_several_name_the_key(tmp_path: Path) -> None:
    write_boot_jar(tmp_path / "a/target/a.jar")
    write_boot_jar(tmp_path / "b/target/b.jar")

    with pytest.raises(InputError) as caught:
        choose(tmp_path)

    assert caught.value.why == "a/target/a.jar, b/target/b.jar"
    assert "JAR=a/target/a.jar" in caught.value.advice
    assert choose(tmp_path, "b/target/*.jar") == "b/target/b.jar"


def test_jar_names_one_that_lies_elsewhere(tmp_path: Path) -> None:
    write_boot_jar(tmp_path / "dist/app-1.0.jar")
    write_boot_jar(tmp_path / "target/other.jar")

    assert choose(tmp_path, "dist/app-*.jar") == "dist/app-1.0.jar"


def test_what_was_found_is_told_when_none_fits(tmp_path: Path) -> None:
    write_jar(tmp_path / "target/app.jar", {"Main-Class": "com.example.Main"})
    (tmp_path / "target/broken.jar").write_text("broken")

    with pytest.raises(BuildError) as caught:
        choose(tmp_path)

    assert caught.value.details[0] == "target/app.jar: not made by Spring Boot"
    assert caught.value.details[1].startswith("target/broken.jar: not a jar")
    assert "repackage" in caught.value.advice


def test_a_war_is_told(tmp_path: Path) -> None:
    write_boot_jar(tmp_path / "target/app.war", launcher=WAR)

    with pytest.raises(BuildError, match="a war") as caught:
        choose(tmp_path)

    assert "packaging" in caught.value.advice


class TestStale:
    """Jars of earlier builds."""

    def test_a_new_jar_goes_before_one_that_was_there(self, tmp_path: Path) -> None:
        write_boot_jar(tmp_path / "target/app-1.0.jar")
        before = results.stamps(tmp_path, None)
        write_boot_jar(tmp_path / "target/app-1.1.jar")

        assert choose(tmp_path, before=before) == "target/app-1.1.jar"

    def test_a_jar_written_anew_counts_even_when_nothing_in_it_changed(self, tmp_path: Path) -> None:
        path = write_boot_jar(tmp_path / "target/app.jar")
        before = results.stamps(tmp_path, None)
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)

        assert choose(tmp_path, before=before) == "target/app.jar"

    def test_one_that_was_there_is_not_the_result_of_a_build_that_wrote_another(self, tmp_path: Path) -> None:
        write_boot_jar(tmp_path / "target/app-1.0.jar")
        before = results.stamps(tmp_path, None)
        write_jar(tmp_path / "target/app-1.1.jar", {})

        with pytest.raises(BuildError) as caught:
            choose(tmp_path, before=before, is_up_to_date=lambda _: True)

        assert caught.value.details == (
            "target/app-1.1.jar: not made by Spring Boot",
            "target/app-1.0.jar: executable; not written by this build",
        )

    def test_not_even_when_jar_names_it(self, tmp_path: Path) -> None:
        write_boot_jar(tmp_path / "target/app-1.0.jar")
        before = results.stamps(tmp_path, "target/app-1.0.jar")
        write_boot_jar(tmp_path / "target/app-1.1.jar")

        with pytest.raises(BuildError, match="earlier build"):
            choose(tmp_path, "target/app-1.0.jar", before, lambda _: True)

    def test_a_build_that_wrote_nothing_may_have_found_it_up_to_date(self, tmp_path: Path) -> None:
        write_boot_jar(tmp_path / "build/libs/app.jar")
        before = results.stamps(tmp_path, None)

        assert choose(tmp_path, before=before, is_up_to_date=lambda _: True) == "build/libs/app.jar"
        with pytest.raises(BuildError, match="earlier build") as caught:
            choose(tmp_path, before=before, is_up_to_date=lambda _: False)
        assert "BUILD_COMMAND" in caught.value.advice
