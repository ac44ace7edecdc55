"""The content of a project: what counts, and when it is the same."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from deploy.artifact.tree import ABSENT, read_tree
from deploy.values.errors import BuildError, InputError
from tests.support.git_server import git, write_files

MAVEN = {"pom.xml": "<project/>", "src/App.java": "class App {}", "mvnw": "#!/bin/sh\n"}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A directory without git."""
    folder = tmp_path / "plain"
    write_files(folder, MAVEN)
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    write_files(folder, {**MAVEN, ".gitignore": "target/\n*.local\n"})
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Change")


def content(folder: Path) -> str:
    return read_tree(folder).content_hash


class TestWithoutGit:
    def test_all_files_count(self, plain: Path) -> None:
        tree = read_tree(plain)

        assert set(tree.fingerprints) == set(MAVEN)
        assert (tree.commit, tree.dirty) == (None, False)

    def test_where_it_lies_does_not_matter(self, plain: Path, tmp_path: Path) -> None:
        assert content(plain) == content(Path(shutil.copytree(plain, tmp_path / "elsewhere/deep")))

    @pytest.mark.parametrize(
        "change",
        [
            lambda folder: (folder / "src/App.java").write_text("class App { }"),
            lambda folder: (folder / "mvnw").chmod(0o755),
            lambda folder: (folder / "mvnw").rename(folder / "gradlew"),
            lambda folder: (folder / "empty").touch(),
            lambda folder: (folder / "pom.xml").unlink(),
            lambda folder: (folder / "link").symlink_to("pom.xml"),
        ],
        ids=["content", "executable", "name", "added", "removed", "link"],
    )
    def test_content_names_and_kinds_count(self, plain: Path, change: object) -> None:
        assert callable(change)
        before = content(plain)
        change(plain)
        assert content(plain) != before

    def test_a_link_is_its_target_s_name_wherever_it_leads(self, plain: Path) -> None:
        (plain / "link").symlink_to("nowhere")
        (plain / "directory").symlink_to("/")
        before = content(plain)
        (plain / "link").unlink()
        (plain / "link").symlink_to("elsewhere")

        assert "directory" in read_tree(plain).fingerprints
        assert content(plain) != before

    @pytest.mark.parametrize(
        ("beside", "output"),
        [
            ("pom.xml", "target"),
            ("build.gradle", "build"),
            ("build.gradle.kts", ".gradle"),
            ("settings.gradle", "build"),
            ("settings.gradle.kts", ".kotlin"),
            ("package.json", "node_modules"),
        ],
    )
    @pytest.mark.parametrize("module", ["", "service/"])
    def test_outputs_of_builds_do_not_count(
        self, tmp_path: Path, module: str, beside: str, output: str
    ) -> None:
        write_files(tmp_path, {f"{module}{beside}": "", f"{module}Main.java": ""})
        before = content(tmp_path)
        write_files(tmp_path, {f"{module}{output}/made.txt": "made"})

        assert content(tmp_path) == before

    @pytest.mark.parametrize("name", ["build/Main.java", "src/target/Main.java", "src/build/Main.java"])
    def test_a_package_may_be_called_like_an_output(self, plain: Path, name: str) -> None:
        write_files(plain, {name: "class Main {}"})

        assert name in read_tree(plain).fingerprints

    def test_what_is_no_file_does_not_count_and_does_not_hang(self, plain: Path) -> None:
        before = content(plain)
        os.mkfifo(plain / "fifo")

        assert content(plain) == before

    def test_a_file_that_cannot_be_read_is_an_error(
        self, plain: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:  # a mode would not: tests may run as root, who reads everything
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr("hashlib.file_digest", refuse)
        with pytest.raises(InputError, match=r"cannot be read") as caught:
            read_tree(plain)
        assert caught.value.why == "Permission denied"

    def test_a_directory_inside_of_another_repository_is_not_its(self, repository: Path) -> None:
        write_files(repository, {"new.local/pom.xml": "", "new.local/src/App.java": ""})
        git(repository, "status")

        tree = read_tree(repository / "new.local")

        assert tree.commit is None
        assert set(tree.fingerprints) == {"pom.xml", "src/App.java"}


class TestWithGit:
    def test_a_clean_checkout_tells_its_commit(self, repository: Path) -> None:
        tree = read_tree(repository)

        assert tree.commit is not None
        assert tree.commit.id == git(repository, "rev-parse", "HEAD")
        assert tree.commit.at == "2026-03-01T10:00:00Z"
        assert not tree.dirty

    def test_two_clones_of_one_commit_are_the_same(self, repository: Path, tmp_path: Path) -> None:
        git(tmp_path, "clone", "--quiet", str(repository), "clone")

        assert content(tmp_path / "clone") == content(repository)

    def test_it_does_not_matter_whether_what_lies_there_is_committed(self, repository: Path) -> None:
        write_files(repository, {"src/App.java": "class App { int x; }"})
        before = read_tree(repository)
        commit(repository)
        after = read_tree(repository)

        assert before.content_hash == after.content_hash
        assert (before.dirty, after.dirty) == (True, False)

    @pytest.mark.parametrize("name", ["src/App.java", "new.txt", "deep/er/new file\twith\nall.txt", "ü.txt"])
    def test_changed_and_new_files_count_and_make_it_dirty(self, repository: Path, name: str) -> None:
        before = content(repository)
        write_files(repository, {name: "changed"})

        tree = read_tree(repository)

        assert tree.dirty
        assert tree.content_hash != before
        assert name in tree.fingerprints

    def test_a_deleted_file_counts(self, repository: Path) -> None:
        before = content(repository)
        (repository / "src/App.java").unlink()

        tree = read_tree(repository)

        assert tree.dirty
        assert tree.content_hash != before

    def test_a_staged_rename_counts(self, repository: Path) -> None:
        git(repository, "mv", "src/App.java", "src/Main.java")

        tree = read_tree(repository)

        assert tree.dirty
        assert {"src/Main.java"} == {name for name in tree.fingerprints if name.startswith("src/")}

    def test_ignored_files_and_outputs_do_not_count(self, repository: Path) -> None:
        before = content(repository)
        write_files(repository, {"target/app.jar": "", "settings.local": ""})
        git(repository, "rm", "--quiet", "--cached", ".gitignore")
        (repository / ".gitignore").write_text("*.local\n.gitignore\n")
        git(repository, "commit", "--quiet", "--message", "Without .gitignore")

        tree = read_tree(repository)

        assert not tree.dirty
        assert "target/app.jar" not in tree.fingerprints
        assert set(tree.fingerprints) == set(MAVEN)
        assert tree.content_hash != before  # .gitignore itself went

    def test_what_git_tracks_counts_wherever_it_lies(self, repository: Path) -> None:
        write_files(repository, {"target/kept.txt": "kept"})
        git(repository, "add", "--force", "target/kept.txt")

        assert "target/kept.txt" in read_tree(repository).fingerprints

    def test_a_directory_of_a_repository_stands_for_itself(self, repository: Path) -> None:
        before = read_tree(repository / "src")
        write_files(repository, {"pom.xml": "changed"})
        after = read_tree(repository / "src")

        assert set(after.fingerprints) == {"App.java"}
        assert (after.content_hash, after.dirty) == (before.content_hash, False)
        assert after.commit == before.commit

    def test_a_repository_without_a_commit_has_none(self, plain: Path) -> None:
        git(plain, "init", "--quiet")
        git(plain, "add", "pom.xml")

        tree = read_tree(plain)

        assert (tree.commit, tree.dirty) == (None, False)
        assert set(tree.fingerprints) == set(MAVEN)

    def test_git_s_own_words_are_told_when_it_refuses(self, repository: Path) -> None:
        (repository / ".git/index").write_text("broken")

        with pytest.raises(BuildError, match="git ls-files failed") as caught:
            read_tree(repository)

        assert "index" in caught.value.why

    def test_git_missing_is_told(
        self, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(BuildError, match="git is not installed") as caught:
            read_tree(repository)

        assert "apt-get install git" in caught.value.advice


class TestSubmodules:
    @pytest.fixture
    def parent(self, repository: Path, tmp_path: Path) -> Path:
        """A repository with one submodule, `lib`."""
        lib = tmp_path / "lib"
        write_files(lib, {"Lib.java": "class Lib {}", ".gitignore": "*.local\n"})
        git(lib, "init", "--quiet")
        commit(lib)
        git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib), "lib")
        commit(repository)
        return repository

    def test_their_files_count(self, parent: Path) -> None:
        tree = read_tree(parent)

        assert "lib/Lib.java" in tree.fingerprints
        assert not tree.dirty

    @pytest.mark.parametrize("name", ["Lib.java", "New.java"])
    def test_what_changes_in_them_makes_it_dirty(self, parent: Path, name: str) -> None:
        before = content(parent)
        write_files(parent, {f"lib/{name}": "changed"})

        tree = read_tree(parent)

        assert tree.dirty
        assert tree.content_hash != before

    def test_another_commit_of_theirs_makes_it_dirty(self, parent: Path) -> None:
        write_files(parent, {"lib/Lib.java": "changed"})
        commit(parent / "lib")

        assert read_tree(parent).dirty

    def test_what_they_ignore_does_not_count(self, parent: Path) -> None:
        before = content(parent)
        write_files(parent, {"lib/settings.local": ""})

        assert content(parent) == before

    def test_one_that_is_not_checked_out_is_not_the_same(self, parent: Path) -> None:
        before = content(parent)
        git(parent, "submodule", "--quiet", "deinit", "--force", "lib")

        tree = read_tree(parent)

        assert tree.fingerprints["lib"] == ABSENT
        assert tree.content_hash != before

    def test_a_repository_inside_that_is_no_submodule_counts_too(self, repository: Path) -> None:
        write_files(repository, {"vendored/a.txt": "a", "empty/b.txt": "b"})
        git(repository / "vendored", "init", "--quiet")
        commit(repository / "vendored")
        git(repository / "empty", "init", "--quiet")

        tree = read_tree(repository)

        assert {"vendored/a.txt", "empty/b.txt"} <= set(tree.fingerprints)
        assert tree.dirty
