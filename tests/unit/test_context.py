"""What gets into the build context of a project's own Dockerfile, and what never does."""

import tarfile
from pathlib import Path

import pytest

from deploy.artifact.context import Context, collect, jar_name, write_context
from tests.support.boot_jars import write_boot_jar
from tests.support.builds import build_of_jar
from tests.support.git_server import git
from tests.support.leaks import canary

KEY = (
    "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 3 + "\n-----END PRIVATE KEY-----\n"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Maven project with a Dockerfile and a built jar."""
    write(tmp_path, {"pom.xml": "", "Dockerfile": "FROM scratch", "run.sh": "exec java", "docs/a.md": "a"})
    (tmp_path / "run.sh").chmod(0o755)
    write_boot_jar(tmp_path / "target/app-1.jar")
    write(tmp_path, {"target/classes/a.class": "", "target/app-1-plain.jar": ""})
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def context(project: Path, *, source: Path | None = None, beside: bool = False) -> Context:
    jar = project / "target/app-1.jar"
    return collect(source or project, project, build_of_jar(jar), jar, dockerfile="Dockerfile", beside=beside)


def names(found: Context) -> list[str]:
    return [member.name for member in found.members]


def test_the_projects_files_are_there_and_of_what_was_built_the_jar(project: Path) -> None:
    found = context(project)
    assert names(found) == ["Dockerfile", "docs/a.md", "pom.xml", "run.sh", "target/app-1.jar"]
    assert found.left_out == ()
    assert "app-1.jar" in names(context(project, beside=True))


def test_what_is_ignored_is_not_there_but_for_dockerfile_and_jar(project: Path) -> None:
    git(project, "init", "--quiet")
    write(project, {".gitignore": "*.log\n", "a.log": "", ".dockerignore": "# all\n*\n!run.sh\n"})
    assert names(context(project)) == [".dockerignore", "Dockerfile", "run.sh", "target/app-1.jar"]


def test_a_module_is_a_context_of_its_own(project: Path, tmp_path: Path) -> None:
    write(tmp_path, {"service/Dockerfile": "FROM scratch", "service/pom.xml": "", "secret.txt": ""})
    write_boot_jar(tmp_path / "service/target/app-1.jar")
    found = context(tmp_path / "service", source=tmp_path)
    assert names(found) == ["Dockerfile", "pom.xml", "target/app-1.jar"]
    assert jar_name(tmp_path / "service", tmp_path / "libs/app.jar") == "app.jar"


@pytest.mark.security(11)
@pytest.mark.parametrize(
    "name",
    [".env", ".env.prod", ".env.prod.local", "config/.env", "id_ed25519", ".ssh/config", "tls.key", "a.p12",
     "keys.jks", ".netrc", ".git-credentials"],
)  # fmt: skip
def test_settings_and_keys_are_never_there_whatever_git_tracks(project: Path, name: str) -> None:
    git(project, "init", "--quiet")
    write(project, {name: canary("context"), ".dockerignore": f"!{name}\n"})
    git(project, "add", "--all")
    found = context(project)
    assert name not in names(found)
    assert found.left_out == (name,)
    assert not [one for one in names(found) if one.startswith(".git/")]


@pytest.mark.security(11)
def test_a_private_key_is_known_by_its_content(project: Path) -> None:
    write(project, {"src/test/resources/server.txt": KEY, "id_ed25519.pub": "ssh-ed25519 AAAA"})
    found = context(project)
    assert found.left_out == ("src/test/resources/server.txt",)
    assert "id_ed25519.pub" in names(found)


def test_every_change_of_it_changes_its_hash(project: Path) -> None:
    before = context(project).hash
    assert context(project).hash == before
    (project / "run.sh").chmod(0o644)
    after = context(project).hash
    assert after != before
    write(project, {"run.sh": "exec java -jar"})
    assert context(project).hash != after


def test_the_tar_has_modes_links_directories_and_one_time(project: Path) -> None:
    (project / "link").symlink_to("run.sh")
    path = write_context(context(project), project / "target/context.tar", 1_772_600_767)
    with tarfile.open(path) as tar:
        members = {member.name: member for member in tar.getmembers()}
        page = tar.extractfile("docs/a.md")
        assert page is not None
        assert page.read() == b"a"
    assert {member.mtime for member in members.values()} == {1_772_600_767}
    assert (members["run.sh"].mode, members["pom.xml"].mode) == (0o755, 0o644)
    assert members["link"].linkname == "run.sh"
    assert members["docs"].isdir()
