"""Source from a git server: private, with submodules, and the token kept to the place it is for."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.artifact import source
from deploy.values.errors import BuildError
from deploy.values.events import Event, Stream
from deploy.values.settings import Settings
from tests.support.git_server import GitServer, Repository, git, make_repository, serving
from tests.support.leaks import canary
from tests.support.settings import make_settings

USER = "ci@team"
TOKEN = canary("git-token")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repositories of an application with a submodule by relative URL, which has one itself."""
    folder = tmp_path_factory.mktemp("template")
    deep = make_repository(folder, "deep")
    lib = make_repository(folder, "lib")
    deepest = deep.commit({"deep.txt": "deep"})
    library = lib.commit({"lib.txt": "lib"}, submodules={"inner/deep": ("../deep.git", deepest)})
    make_repository(folder, "app").commit(
        {"pom.xml": "<project/>", ".gitignore": "target/\n", "run.sh": "#!/bin/sh\n"},
        submodules={"lib": ("../lib.git", library)},
    )
    return folder


@pytest.fixture
def repositories(template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template, tmp_path / "repositories")


@pytest.fixture
def app(repositories: Path) -> Repository:
    return Repository(bare=repositories / "app.git", work=repositories / "work/app")


@pytest.fixture
def server(repositories: Path, app: Repository) -> Iterator[GitServer]:
    with serving(repositories, user=USER, password=TOKEN) as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def settings_for(server: GitServer, ref: str = "main", *, token: str | None = TOKEN) -> Settings:
    return make_settings(
        app_git_url=f"{server.url}/app.git",
        app_git_ref=ref,
        app_git_user=USER,
        app_git_token=None if token is None else SecretStr(token),
    )


def fetch(settings: Settings, root: Path) -> list[Event]:
    events: list[Event] = []
    source.fetch(settings, root, Stream(events.append))
    return events


@pytest.mark.security(8)
def test_a_private_repository_comes_with_its_private_submodules(
    server: GitServer, app: Repository, root: Path
) -> None:
    found = source.fetch(settings_for(server), root, Stream())

    clone = root / "build/source"
    assert (clone / "lib/inner/deep/deep.txt").read_text() == "deep"
    assert found.path == "build/source"
    assert found.commit == git(app.work, "rev-parse", "HEAD")
    assert (found.committed_at, found.author) == ("2026-03-01T10:00:00Z", "A Tester")
    assert (found.subject, found.dirty) == ("A change", False)
    assert set(server.credentials) == {f"{USER}:{TOKEN}"}
    assert f"{server.url}/app.git" in (clone / ".git/config").read_text()


def test_the_default_branch_is_taken_where_none_is_named(
    server: GitServer, app: Repository, root: Path
) -> None:
    git(app.work, "checkout", "--quiet", "-b", "trunk")
    trunk = app.commit({"trunk.txt": ""})
    git(app.bare, "symbolic-ref", "HEAD", "refs/heads/trunk")

    assert source.fetch(settings_for(server, "HEAD"), root, Stream()).commit == trunk


def test_two_clones_of_one_commit_have_the_same_content(
    server: GitServer, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"

    first = source.fetch(settings_for(server), root, Stream())
    second = source.fetch(settings_for(server), other, Stream())

    assert first.content_hash == second.content_hash


def test_a_branch_is_followed_also_when_it_was_rewritten(
    server: GitServer, app: Repository, root: Path
) -> None:
    source.fetch(settings_for(server), root, Stream())
    git(app.work, "reset", "--quiet", "--soft", "HEAD")
    git(app.work, "commit", "--quiet", "--amend", "--message", "Rewritten")
    app.push("HEAD")

    assert source.fetch(settings_for(server), root, Stream()).subject == "Rewritten"


def test_local_changes_are_discarded_and_ignored_files_stay(server: GitServer, root: Path) -> None:
    before = source.fetch(settings_for(server), root, Stream())
    clone = root / "build/source"
    (clone / "pom.xml").write_text("changed")
    (clone / "run.sh").unlink()
    (clone / "added.txt").write_text("added")
    (clone / "lib/lib.txt").write_text("changed")
    (clone / "lib/inner/deep/added.txt").write_text("added")
    (clone / "target").mkdir()
    (clone / "target/app.jar").write_text("kept")
    (clone / ".git/index.lock").touch()

    after = source.fetch(settings_for(server), root, Stream())

    assert after == before
    assert (clone / "target/app.jar").exists()


def test_a_submodule_follows_its_parent_also_to_another_url(
    server: GitServer, app: Repository, repositories: Path, root: Path
) -> None:
    source.fetch(settings_for(server), root, Stream())
    moved = make_repository(repositories, "moved")
    app.commit({}, submodules={"lib": ("../moved.git", moved.commit({"moved.txt": "moved"}))})

    source.fetch(settings_for(server), root, Stream())

    assert sorted(path.name for path in (root / "build/source/lib").iterdir()) == [".git", "moved.txt"]


def test_a_submodule_that_went_away_is_removed(server: GitServer, app: Repository, root: Path) -> None:
    source.fetch(settings_for(server), root, Stream())
    git(app.work, "rm", "--quiet", "--cached", "lib")
    (app.work / ".gitmodules").unlink()
    app.commit({})

    source.fetch(settings_for(server), root, Stream())

    assert not (root / "build/source/lib").exists()


def test_another_url_makes_a_new_clone(server: GitServer, repositories: Path, root: Path) -> None:
    source.fetch(settings_for(server), root, Stream())
    (root / "build/source/target").mkdir()
    commit = make_repository(repositories, "other").commit({"other.txt": ""})
    other = settings_for(server).model_copy(update={"app_git_url": f"{server.url}/other.git"})

    assert source.fetch(other, root, Stream()).commit == commit
    assert sorted(path.name for path in (root / "build/source").iterdir()) == [".git", "other.txt"]


def test_a_broken_clone_is_made_anew_and_the_repository_around_it_is_left_alone(
    server: GitServer, root: Path
) -> None:
    git(root, "init", "--quiet")
    (root / "precious.txt").write_text("untracked work")
    before = source.fetch(settings_for(server), root, Stream())
    (root / "build/source/.git/HEAD").unlink()

    assert source.fetch(settings_for(server), root, Stream()).commit == before.commit
    assert (root / "precious.txt").exists()


class TestRefs:
    """What APP_GIT_REF may name, and what is said when it names nothing."""

    def test_a_tag_a_full_name_and_a_commit_lead_to_the_commit(
        self, server: GitServer, app: Repository, root: Path
    ) -> None:
        commit = git(app.work, "rev-parse", "HEAD")
        git(app.work, "tag", "--annotate", "--message", "One", "v1.0")
        app.push("v1.0")
        app.commit({"later.txt": ""})

        for ref in ("v1.0", "refs/tags/v1.0", commit, commit[:9]):
            assert source.fetch(settings_for(server, ref), root, Stream()).commit == commit

    def test_a_commit_that_is_here_is_not_asked_for_again(
        self, server: GitServer, app: Repository, root: Path
    ) -> None:
        commit = git(app.work, "rev-parse", "HEAD")
        source.fetch(settings_for(server), root, Stream())
        server.paths.clear()

        source.fetch(settings_for(server, commit), root, Stream())

        assert server.paths == []

    def test_a_commit_of_no_branch_is_fetched_by_its_id(
        self, server: GitServer, app: Repository, root: Path
    ) -> None:
        commit = app.commit({"request.txt": ""})
        git(app.work, "push", "--quiet", "origin", "HEAD:refs/merge-requests/1/head")
        git(app.work, "reset", "--quiet", "--hard", "HEAD~1")
        app.push("main")

        assert source.fetch(settings_for(server, commit), root, Stream()).commit == commit

    @pytest.mark.parametrize(
        "ref", ["mian", "refs/heads/v1.0", "0" * 40, "0123456", "HEAD~1", "refs/notes/x"]
    )
    def test_a_missing_ref_names_the_key_and_what_is_near(
        self, server: GitServer, app: Repository, root: Path, ref: str
    ) -> None:
        git(app.work, "tag", "v1.0")
        app.push("v1.0")

        with pytest.raises(BuildError) as caught:
            fetch(settings_for(server, ref), root)

        assert caught.value.exit_code == 4
        assert "APP_GIT_REF" in caught.value.what
        assert ref in caught.value.what
        if ref == "mian":
            assert "main" in caught.value.why

    def test_a_tag_that_moved_is_an_error_until_it_is_accepted(
        self, server: GitServer, app: Repository, root: Path
    ) -> None:
        git(app.work, "tag", "v1.0")
        app.push("v1.0")
        source.fetch(settings_for(server, "v1.0"), root, Stream())
        app.commit({"later.txt": ""})
        git(app.work, "tag", "--force", "v1.0")
        app.push("v1.0")

        for _ in range(2):
            with pytest.raises(BuildError, match=r"tag v1\.0 .* has moved") as caught:
                fetch(settings_for(server, "v1.0"), root)
        assert f"rm -r {root}/build/source" in caught.value.advice

        shutil.rmtree(root / "build/source")
        fetch(settings_for(server, "v1.0"), root)

    def test_another_tag_may_move(self, server: GitServer, app: Repository, root: Path) -> None:
        git(app.work, "tag", "latest")
        app.push("latest")
        source.fetch(settings_for(server), root, Stream())
        app.commit({"later.txt": ""})
        git(app.work, "tag", "--force", "latest")
        app.push("latest")

        fetch(settings_for(server), root)

    def test_a_name_of_both_a_branch_and_a_tag_is_refused(
        self, server: GitServer, app: Repository, root: Path
    ) -> None:
        git(app.work, "tag", "main")
        app.push("refs/tags/main")

        with pytest.raises(BuildError, match="both a branch and a tag") as caught:
            fetch(settings_for(server), root)

        assert "refs/heads/main" in caught.value.advice
        fetch(settings_for(server, "refs/heads/main"), root)
        fetch(settings_for(server, "refs/tags/main"), root)


@pytest.mark.security(8)
class TestToken:
    """Who gets the token, and what is said when it is refused."""

    def test_a_wrong_token_is_refused_in_words_and_not_shown(self, server: GitServer, root: Path) -> None:
        with pytest.raises(BuildError) as caught:
            fetch(settings_for(server, token=canary("wrong")), root)

        assert caught.value.exit_code == 4
        assert server.url in caught.value.what
        assert "Authentication failed" in caught.value.why
        assert "APP_GIT_TOKEN" in caught.value.advice

    def test_a_private_repository_without_a_token_names_the_key(self, server: GitServer, root: Path) -> None:
        with pytest.raises(BuildError) as caught:
            fetch(settings_for(server, token=None), root)

        assert "set APP_GIT_TOKEN" in caught.value.advice
        assert server.credentials == []

    def test_a_submodule_on_another_server_is_not_given_the_token(
        self, server: GitServer, app: Repository, repositories: Path, root: Path
    ) -> None:
        commit = git(repositories / "lib.git", "rev-parse", "main")
        with serving(repositories, user=USER, password=TOKEN) as other:
            app.commit({}, submodules={"lib": (f"{other.url}/lib.git", commit)})

            with pytest.raises(BuildError) as caught:
                fetch(settings_for(server), root)

            assert other.paths
            assert other.credentials == []
        assert "submodule" in caught.value.what
        assert f"offered to {server.url} only" in caught.value.advice

    def test_a_public_submodule_on_another_server_is_fetched_without_it(
        self, server: GitServer, app: Repository, repositories: Path, root: Path, tmp_path: Path
    ) -> None:
        commit = make_repository(tmp_path / "public", "free").commit({"free.txt": ""})
        with serving(tmp_path / "public") as other:
            app.commit({}, submodules={"lib": (f"{other.url}/free.git", commit)})

            fetch(settings_for(server), root)

            assert other.credentials == []

    def test_a_submodule_with_a_deceiving_user_name_is_not_given_the_token(
        self, server: GitServer, app: Repository, repositories: Path, root: Path
    ) -> None:
        commit = git(repositories / "lib.git", "rev-parse", "main")
        deceiving = server.url.removeprefix("http://").replace(":", "%3A") + "%2Fx"
        with serving(repositories, user=USER, password=TOKEN) as other:
            url = other.url.replace("http://", f"http://{deceiving}@")
            app.commit({}, submodules={"lib": (f"{url}/lib.git", commit)})

            with pytest.raises(BuildError):
                fetch(settings_for(server), root)

            assert other.paths
            assert not any(TOKEN in given for given in other.credentials)

    def test_credential_helpers_neither_answer_nor_learn(
        self, server: GitServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        helper = tmp_path / "helper"
        helper.write_text(f"#!/bin/sh\necho called >> {tmp_path}/calls\n")
        helper.chmod(0o755)
        config = tmp_path / "gitconfig"
        config.write_text(
            f'[credential]\n\thelper = {helper}\n[credential "{server.url}"]\n\thelper = {helper}\n'
        )
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))

        fetch(settings_for(server), root)

        assert not (tmp_path / "calls").exists()

    def test_git_traces_of_the_user_do_not_show_it(
        self, server: GitServer, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GIT_TRACE", "1")
        monkeypatch.setenv("GIT_CURL_VERBOSE", "1")
        monkeypatch.setenv("GIT_TRACE_REDACT", "0")

        shown = json.dumps([event.text for event in fetch(settings_for(server), root)])

        assert "Authorization" not in shown

    def test_a_call_from_a_hook_of_another_repository_stays_here(
        self, server: GitServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = make_repository(tmp_path / "hooked", "other")
        commit = other.commit({"a": ""})
        monkeypatch.setenv("GIT_DIR", str(other.work / ".git"))
        monkeypatch.setenv("GIT_INDEX_FILE", str(other.work / ".git/index"))

        fetch(settings_for(server), root)

        monkeypatch.delenv("GIT_DIR")
        monkeypatch.delenv("GIT_INDEX_FILE")
        assert git(other.work, "rev-parse", "HEAD") == commit
        assert git(other.work, "status", "--porcelain") == ""


def test_a_server_that_is_not_there_is_told(root: Path, tmp_path: Path) -> None:
    with serving(tmp_path) as gone:
        pass

    with pytest.raises(BuildError, match="cannot be fetched") as caught:
        fetch(settings_for(gone), root)

    assert caught.value.details
