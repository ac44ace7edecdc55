"""Which directory is the source, and what a build records of it."""

from pathlib import Path

import pytest

from deploy.artifact import source
from deploy.values.errors import InputError
from deploy.values.events import Event, Stream
from tests.support.git_server import git, write_files
from tests.support.settings import make_settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_files(tmp_path / "root", {"app/pom.xml": "", "app/service/pom.xml": ""})
    return tmp_path / "root"


def test_a_path_below_the_root_is_recorded_relative_to_it(root: Path) -> None:
    found = source.fetch(make_settings(app_source="app"), root, Stream())

    assert (found.path, found.commit, found.dirty) == ("app", "", False)
    assert found == source.look(make_settings(app_source="app"), root)


def test_a_path_elsewhere_is_recorded_whole(root: Path, tmp_path: Path) -> None:
    write_files(tmp_path / "elsewhere", {"pom.xml": ""})

    found = source.fetch(make_settings(app_source="../elsewhere"), root, Stream())

    assert found.path == str(tmp_path / "elsewhere")


def test_the_home_directory_may_be_written_as_tilde(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert source.source_directory(make_settings(app_source="~/root/app"), root) == root / "app"


def test_a_project_in_the_source_has_the_content_of_the_whole(root: Path) -> None:
    settings = make_settings(app_source="app", app_dir="service")
    before = source.look(settings, root)
    write_files(root, {"app/pom.xml": "changed"})

    assert before.path == "app/service"
    assert source.look(settings, root).content_hash != before.content_hash


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"app_source": "nowhere"}, "APP_SOURCE"),
        ({"app_source": "app/pom.xml"}, "APP_SOURCE"),
        ({"app_source": "app", "app_dir": "nowhere"}, "APP_DIR"),
    ],
)
def test_a_directory_that_is_not_there_names_its_key_and_line(
    root: Path, changes: dict[str, str], key: str
) -> None:
    settings = make_settings(**changes, origins={key: ".env.dev:3"})

    with pytest.raises(InputError) as caught:
        source.fetch(settings, root, Stream())

    assert caught.value.what.startswith(f".env.dev:3: {key}: ")


def test_a_clone_that_was_never_fetched_is_told_from_looking(root: Path) -> None:
    settings = make_settings(app_git_url="https://git.example.com/app.git")

    with pytest.raises(InputError) as caught:
        source.look(settings, root)

    assert "invokew jar" in caught.value.advice


def test_a_submodule_that_is_not_checked_out_is_warned_of(root: Path) -> None:
    git(root, "init", "--quiet")
    git(root, "add", "app")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},app/lib")
    (root / "app/lib").mkdir()
    events: list[Event] = []

    source.fetch(make_settings(app_source="app"), root, Stream(events.append))

    assert [event.kind for event in events] == ["warning"]
    assert "submodule lib" in events[0].text
