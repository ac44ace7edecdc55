"""From a jar to an image, by a real engine."""

import json
import tarfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import docker
import pytest

from deploy.artifact.image import build_image
from deploy.values.build import Build
from deploy.values.errors import BuildError, InputError
from deploy.values.events import Event, Stream
from tests.support.boot_jars import write_boot_jar
from tests.support.builds import COMMIT, COMMITTED_AT, build_of_jar, some_source
from tests.support.images import OURS, load_image, remove_images
from tests.support.leaks import canary
from tests.support.registry import RunningRegistry
from tests.support.settings import make_settings
from tests.support.tars import tar_of

ROOT = Path(__file__).parents[2]
BASE = f"{OURS}/base:1"
SETTINGS = make_settings(app_name="demo", image=f"{OURS}/image", base_image=BASE)


@pytest.fixture(scope="module", autouse=True)
def _images(engine: docker.DockerClient) -> Iterator[None]:
    load_image(engine, BASE, tar_of({"base": b"base"}))
    yield
    remove_images(engine, f"{OURS}/base", f"jarship-build/{OURS}/")


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    return write_boot_jar(tmp_path / "demo.jar", version="1.2.3")


def build(
    engine: docker.DockerClient,
    given: Build,
    stream: Stream | None = None,
    *,
    nocache: bool = False,
    **settings: Any,
) -> Build:
    return build_image(
        given, SETTINGS.model_copy(update=settings), ROOT, engine, stream or Stream(), nocache=nocache
    )


def inspect(engine: docker.DockerClient, built: Build) -> dict[str, Any]:
    assert built.image is not None
    return dict(engine.images.get(built.image.id).attrs)


def contents(engine: docker.DockerClient, built: Build) -> dict[str, tarfile.TarInfo]:
    """Every file of the image's own layers."""
    assert built.image is not None
    saved = BytesIO(b"".join(engine.images.get(built.image.id).save()))
    found: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(fileobj=saved) as image:
        manifest = json.load(image.extractfile("manifest.json"))  # type: ignore[arg-type]
        for layer in manifest[0]["Layers"][1:]:
            with tarfile.open(fileobj=image.extractfile(layer)) as files:
                found |= {member.name: member for member in files.getmembers()}
    return found


def test_the_image_is_laid_out_for_a_user_without_rights(engine: docker.DockerClient, jar: Path) -> None:
    attrs = inspect(engine, build(engine, build_of_jar(jar)))
    config = attrs["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == [
        "java",
        "-cp",
        "/app",
        "org.springframework.boot.loader.launch.JarLauncher",
    ]
    assert config["WorkingDir"] == "/home/app"
    assert "PROFILE=prod" in config["Env"]
    assert "SPRING_PROFILES_ACTIVE=${PROFILE}" in config["Env"]
    assert any(entry.startswith("JAVA_TOOL_OPTIONS=-XX:MaxRAMPercentage=") for entry in config["Env"])
    # The base's one, the user's directory, and Spring Boot's four.
    assert len(attrs["RootFS"]["Layers"]) == 6


def test_every_layer_has_its_files_and_the_application_cannot_write_them(
    engine: docker.DockerClient, jar: Path
) -> None:
    files = contents(engine, build(engine, build_of_jar(jar)))
    assert "app/BOOT-INF/classes/page.txt" in files
    assert "app/BOOT-INF/lib/spring-web-6.2.0.jar" in files
    assert "app/META-INF/MANIFEST.MF" in files
    assert {(member.uid, member.gid) for name, member in files.items() if name.startswith("app")} == {(0, 0)}
    home = files["home/app"]
    assert (home.uid, home.gid, home.isdir()) == (10001, 10001, True)


def test_labels_tell_what_a_rollout_must_know(engine: docker.DockerClient, jar: Path) -> None:
    source = some_source(subject='Say "$HOME" \\ ünï', author="Ada L.")
    labels = inspect(engine, build(engine, build_of_jar(jar, source=source)))["Config"]["Labels"]
    assert labels == {
        "org.opencontainers.image.title": "demo",
        "org.opencontainers.image.version": "1.2.3",
        "org.opencontainers.image.revision": COMMIT,
        "org.opencontainers.image.created": COMMITTED_AT,
        "io.jarship.app": "demo",
        "io.jarship.commit": COMMIT,
        "io.jarship.author": "Ada L.",
        "io.jarship.subject": 'Say "$HOME" \\ ünï',
        "io.jarship.health-path": "/actuator/health",
        "io.jarship.boot-version": "3.5.0",
    }


def test_without_actuator_or_git_the_labels_say_so(engine: docker.DockerClient, tmp_path: Path) -> None:
    jar = write_boot_jar(tmp_path / "demo.jar", actuator=False)
    source = some_source(commit="", committed_at="", author="", subject="")
    labels = inspect(engine, build(engine, build_of_jar(jar, source=source)))["Config"]["Labels"]
    assert labels["io.jarship.health-path"] == "/"
    assert not {"org.opencontainers.image.revision", "org.opencontainers.image.created"} & set(labels)


@pytest.mark.parametrize(
    "launcher",
    [
        "org.springframework.boot.loader.JarLauncher",
        "org.springframework.boot.loader.launch.PropertiesLauncher",
    ],
)
def test_the_jars_own_launcher_starts_it(engine: docker.DockerClient, tmp_path: Path, launcher: str) -> None:
    jar = write_boot_jar(tmp_path / "demo.jar", launcher=launcher)
    entrypoint = inspect(engine, build(engine, build_of_jar(jar)))["Config"]["Entrypoint"]
    assert entrypoint == ["java", "-cp", "/app", launcher]


def test_two_builds_of_one_jar_have_the_same_layers_with_the_cache_and_without(
    engine: docker.DockerClient, jar: Path
) -> None:
    first = build(engine, build_of_jar(jar))
    again = build(engine, build_of_jar(jar), nocache=True)
    assert first.image is not None
    assert again.image is not None
    assert again.image.id != first.image.id
    assert again.image.diff_ids == first.image.diff_ids


def test_a_changed_page_changes_the_applications_layer_alone(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    events: list[Event] = []
    built = [
        build(
            engine, build_of_jar(write_boot_jar(tmp_path / f"{page}.jar", page=page)), Stream(events.append)
        )
        for page in ("one", "two")
    ]
    (one, two) = [made.image.diff_ids for made in built if made.image]
    assert [before == after for before, after in zip(one, two, strict=True)] == [True] * 5 + [False]
    (*_, told) = [event.data["layers"] for event in events if "layers" in event.data]
    assert isinstance(told, list)
    assert {layer["name"]: layer["reused"] for layer in told} == {
        "home": True,
        "dependencies": True,
        "spring-boot-loader": True,
        "snapshot-dependencies": True,
        "application": False,
    }


def test_the_image_of_the_same_inputs_is_not_built_again(engine: docker.DockerClient, jar: Path) -> None:
    given = build_of_jar(jar)
    first = build(engine, given)
    events: list[Event] = []
    tagged = first.model_copy(update={"tag": "1.0"})
    assert build(engine, tagged, Stream(events.append)) == tagged
    assert [event.text for event in events if "is there already" in event.text]


def test_only_the_newest_images_stay(
    engine: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.artifact.engine_build.KEPT", 1)
    given = [
        build_of_jar(write_boot_jar(tmp_path / f"{page}.jar", page=page), source=some_source(subject=page))
        for page in ("older", "newer")
    ]
    older, newer = [build(engine, jar, image=f"{OURS}/kept", nocache=True) for jar in given]
    (left,) = engine.images.list(f"jarship-build/{OURS}/kept")
    assert older.image is not None
    assert newer.image is not None
    assert left.id == newer.image.id
    again = build(engine, older, image=f"{OURS}/kept").image
    assert again is not None
    assert again.diff_ids == older.image.diff_ids


def test_another_image_drops_the_tag_that_the_last_one_had(engine: docker.DockerClient, jar: Path) -> None:
    first = build(engine, build_of_jar(jar))
    other = build_of_jar(jar, source=some_source(commit="f" * 40))
    changed = other.model_copy(update={"image": first.image, "tag": "1.0", "tag_given": True})
    assert build(engine, changed).tag == ""


def test_a_jar_without_layers_is_one_layer_with_a_warning(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    jar = write_boot_jar(tmp_path / "demo.jar", layers=None)
    events: list[Event] = []
    files = contents(engine, build(engine, build_of_jar(jar), Stream(events.append)))
    assert [event.text for event in events if event.kind == "warning" and "no layers index" in event.text]
    assert "app/BOOT-INF/lib/spring-web-6.2.0.jar" in files


def test_another_jar_than_the_builds_is_refused(engine: docker.DockerClient, jar: Path) -> None:
    given = build_of_jar(jar)
    write_boot_jar(jar, page="changed")
    with pytest.raises(InputError, match="not the one of this build") as refused:
        build(engine, given)
    assert "invoke jar" in refused.value.advice
    jar.unlink()
    with pytest.raises(InputError, match="is gone"):
        build(engine, given)


@pytest.mark.security(11)
def test_nothing_but_the_jar_gets_into_the_image(
    engine: docker.DockerClient, jar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = canary("context")
    for name in (".env", ".git", "id_ed25519"):
        (jar.parent / name).write_text(secret)
    monkeypatch.chdir(jar.parent)
    built = build(engine, build_of_jar(jar), nocache=True)
    own = {name for name in contents(engine, built) if not name.startswith("app/")}
    assert own == {"app", "home", "home/app"}
    with zipfile.ZipFile(jar) as archive:
        expected = {f"app/{name}" for name in archive.namelist()}
    files = {name for name, member in contents(engine, built).items() if member.isfile()}
    assert files == expected


def test_an_image_for_another_architecture_is_built_without_emulation(
    engine: docker.DockerClient, jar: Path
) -> None:
    base = load_image(engine, f"{OURS}/base:arm64", tar_of({"base": b"arm"}), platform="linux/arm64")
    built = build(engine, build_of_jar(jar), base_image=base, platform=("linux/arm64",))
    assert built.image is not None
    assert built.image.platform == "linux/arm64"
    assert inspect(engine, built)["Architecture"] == "arm64"
    here = build(engine, build_of_jar(jar)).image
    assert here is not None
    lowest = engine.images.get(base).attrs["RootFS"]["Layers"]
    assert [*built.image.diff_ids] == [*lowest, *here.diff_ids[1:]], "only the base is of the architecture"


@pytest.mark.fault(7)
def test_a_base_image_for_another_architecture_is_refused_before_the_build(
    engine: docker.DockerClient, jar: Path, registry: RunningRegistry
) -> None:
    base = f"{registry.address}/it/base:1"
    engine.images.get(BASE).tag(base)
    engine.images.push(base)
    with pytest.raises(BuildError, match=rf"{base} is not there for linux/arm64") as refused:
        build(engine, build_of_jar(jar), base_image=base, platform=("linux/arm64",))
    assert "linux/amd64" in refused.value.why
    assert "PLATFORM" in refused.value.advice


@pytest.mark.security(25)
def test_a_missing_base_image_is_pulled_by_tag_or_digest(
    engine: docker.DockerClient, jar: Path, registry: RunningRegistry
) -> None:
    base = f"{registry.address}/it/pulled:1"
    engine.images.get(BASE).tag(base)
    engine.images.push(base)
    engine.images.get(base).reload()
    digest = next(
        found.partition("@")[2]
        for found in engine.images.get(base).attrs["RepoDigests"]
        if "it/pulled" in found
    )
    for reference in (base, f"{base}@{digest}"):
        for name in (base, f"{registry.address}/it/pulled@{digest}"):
            if engine.images.list(name):
                engine.images.remove(name)
        assert build(engine, build_of_jar(jar), base_image=reference).image is not None


def test_a_base_image_that_is_nowhere_is_told(
    engine: docker.DockerClient, jar: Path, registry: RunningRegistry
) -> None:
    missing = f"{registry.address}/it/nowhere:1"
    with pytest.raises(BuildError, match=f"pull {missing}") as refused:
        build(engine, build_of_jar(jar), base_image=missing)
    assert "manifest unknown" in refused.value.why
