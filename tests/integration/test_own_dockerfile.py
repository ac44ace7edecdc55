"""A project's own Dockerfile, built by a real engine."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from pydantic import SecretStr

from deploy.artifact.image import build_image, engine_platform
from deploy.artifact.secret_scan import refuse_secrets
from deploy.values.build import Build
from deploy.values.errors import BuildError, InputError
from deploy.values.events import Event, Stream
from deploy.values.settings import Settings
from tests.support.boot_jars import write_boot_jar
from tests.support.builds import build_of_jar, some_source
from tests.support.git_server import git
from tests.support.images import OURS, load_image, remove_images
from tests.support.leaks import canary
from tests.support.registry import RunningRegistry
from tests.support.settings import make_settings
from tests.support.tars import tar_of

BASE = f"{OURS}/own-base:1"
PIPELINE = f"""\
FROM {BASE}
ARG JAR_FILE=build/libs/*.jar
COPY ${{JAR_FILE}} app.jar
CMD java -jar app.jar
"""


@pytest.fixture(scope="module", autouse=True)
def _images(engine: docker.DockerClient) -> Iterator[None]:
    load_image(engine, BASE, tar_of({"base": b"base"}), config={"Env": ["OF_BASE=1"]})
    yield
    remove_images(engine, f"{OURS}/own-base", f"jarship-build/{OURS}/")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a jar; its root's directory `app`."""
    write_boot_jar(tmp_path / "app/target/demo-1.jar", version="1.2.3")
    (tmp_path / "app/pom.xml").touch()
    return tmp_path


def settings_for(**changes: Any) -> Settings:
    return make_settings(
        **{"app_name": "demo", "image": f"{OURS}/own", "app_source": "app", "dockerfile": "Dockerfile"}
        | changes
    )


def build(
    engine: docker.DockerClient,
    root: Path,
    text: str,
    *events: Any,
    nocache: bool = False,
    **changes: Any,
) -> Build:
    (root / "app/Dockerfile").write_text(text)
    given = build_of_jar(root / "app/target/demo-1.jar", source=some_source(subject=root.name))
    return build_image(given, settings_for(**changes), root, engine, Stream(*events), nocache=nocache)


def inspect(engine: docker.DockerClient, built: Build) -> dict[str, Any]:
    assert built.image is not None
    return dict(engine.images.get(built.image.id).attrs)


def files_of(engine: docker.DockerClient, built: Build) -> dict[str, bytes]:
    """The files of all layers but the lowest."""
    assert built.image is not None
    found: dict[str, bytes] = {}
    saved = io.BytesIO(b"".join(engine.images.get(built.image.id).save()))
    with tarfile.open(fileobj=saved) as image:
        for layer in json.load(image.extractfile("manifest.json"))[0]["Layers"][1:]:  # type: ignore[arg-type]
            with tarfile.open(fileobj=image.extractfile(layer)) as tar:
                for member in tar.getmembers():
                    content = tar.extractfile(member)
                    found |= {member.name: content.read()} if content else {}
    return found


def test_the_pipelines_dockerfile_gets_the_jar_our_labels_and_its_advice(
    engine: docker.DockerClient, project: Path
) -> None:
    events: list[Event] = []
    built = build(engine, project, PIPELINE, events.append)
    config = inspect(engine, built)["Config"]
    assert config["Cmd"] == ["/bin/sh", "-c", "java -jar app.jar"]
    assert config["Labels"]["io.jarship.health-path"] == "/actuator/health"
    assert config["Labels"]["io.jarship.boot-version"] == "3.5.0"
    assert config["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert files_of(engine, built) == {"app.jar": (project / "app/target/demo-1.jar").read_bytes()}
    assert built.image is not None
    assert built.image.base == BASE
    said = [event.text for event in events if event.kind == "warning"]
    assert [line.partition(":")[0] for line in said] == ["Dockerfile, line 1", "Dockerfile, line 4"]
    assert "root" in said[0]
    assert "SIGTERM" in said[1]
    (layers,) = [event.data["layers"] for event in events if "layers" in event.data]
    assert isinstance(layers, list)
    (copied,) = [layer for layer in layers if layer["name"].startswith("COPY")]
    assert copied["bytes"] == (project / "app/target/demo-1.jar").stat().st_size
    assert not copied["reused"]


@pytest.mark.parametrize("taken", ["target/*.jar", "*.jar", "demo-1.jar"])
def test_a_jar_is_at_hand_where_the_build_left_it_and_beside_the_dockerfile(
    engine: docker.DockerClient, project: Path, taken: str
) -> None:
    built = build(engine, project, f"FROM {BASE}\nCOPY {taken} /app.jar\n")
    assert files_of(engine, built) == {"app.jar": (project / "app/target/demo-1.jar").read_bytes()}


def test_what_has_not_changed_is_not_built_again_and_what_has_is(
    engine: docker.DockerClient, project: Path
) -> None:
    text = f"FROM {BASE}\nCOPY . /app\nUSER 1\n"
    first = build(engine, project, text)
    events: list[Event] = []
    assert build(engine, project, text, events.append).image == first.image
    assert [event.text for event in events if "is there already" in event.text]
    (project / "app/pom.xml").write_text("<changed/>")
    changed = build(engine, project, text)
    assert changed.image is not None
    assert first.image is not None
    assert changed.image.id != first.image.id
    assert build(engine, project, text, app_dir=".", nocache=True).image != changed.image


def test_base_image_is_given_to_a_dockerfile_that_asks_for_it(
    engine: docker.DockerClient, project: Path
) -> None:
    text = "ARG BASE_IMAGE=example.com/none:1\nFROM ${BASE_IMAGE}\nCOPY target /\n"
    built = build(engine, project, text, base_image=BASE)
    assert "OF_BASE=1" in inspect(engine, built)["Config"]["Env"]


@pytest.mark.security(11)
def test_no_settings_no_keys_and_no_git_get_into_an_image_that_copies_everything(
    engine: docker.DockerClient, project: Path
) -> None:
    secret = canary("own-context")
    git(project / "app", "init", "--quiet")
    for name in (".env", ".env.prod", "id_ed25519", "conf/tls.key", "debug.tmp"):
        (project / "app" / name).parent.mkdir(exist_ok=True)
        (project / "app" / name).write_text(secret)
    (project / "app/.dockerignore").write_text("*.tmp\ntarget\n")
    events: list[Event] = []
    built = build(engine, project, f"FROM {BASE}\nCOPY . /all\n", events.append)
    found = files_of(engine, built)
    assert set(found) == {
        "all/.dockerignore", "all/Dockerfile", "all/pom.xml", "all/demo-1.jar", "all/target/demo-1.jar"
    }  # fmt: skip
    assert not [name for name, content in found.items() if secret.encode() in content]
    (told,) = [event.text for event in events if "Kept from the build" in event.text]
    assert ".env, .env.prod, conf/tls.key, id_ed25519" in told


@pytest.mark.security(10)
def test_a_secret_that_a_dockerfile_takes_along_stops_the_push(
    engine: docker.DockerClient, project: Path
) -> None:
    secret = canary("own-layer")
    (project / "app/application.yml").write_text(f"password: {secret}")
    settings = settings_for(secrets={"DB_PASSWORD": SecretStr(secret)})
    taken = build(engine, project, f"FROM {BASE}\nCOPY application.yml /config/\nCOPY target /\n")
    with pytest.raises(BuildError) as refused:
        refuse_secrets(taken, settings, project, engine, Stream())
    assert refused.value.details == ("the image's /config/application.yml: the value of SECRET_DB_PASSWORD",)
    clean = build(engine, project, f"FROM {BASE}\nCOPY target /\n")
    for _ in ("searched", "remembered"):
        refuse_secrets(clean, settings, project, engine, Stream())
    assert secret not in (project / "build/secret-scan.json").read_text()


def test_an_image_for_another_platform_is_built_as_long_as_nothing_runs(
    engine: docker.DockerClient, project: Path
) -> None:
    arm = load_image(engine, f"{OURS}/own-base:arm", tar_of({"arm": b"arm"}), platform="linux/arm64")
    wish: dict[str, Any] = {"platform": ("linux/arm64",), "nocache": True}
    built = build(engine, project, f"FROM {arm}\nCOPY target /\n", **wish)
    assert inspect(engine, built)["Architecture"] == "arm64"
    with pytest.raises(BuildError, match="cannot be built here for linux/arm64: RUN") as refused:
        build(engine, project, f"FROM {arm}\nCOPY target /\nRUN true\n", **wish)
    assert refused.value.exit_code == 4
    assert refused.value.why == f"This machine's engine is {engine_platform(engine)}; RUN is in line 3"
    assert "COPY and ADD build for any platform" in refused.value.advice


def test_a_base_image_of_another_platform_is_refused_before_the_build(
    engine: docker.DockerClient, project: Path, registry: RunningRegistry
) -> None:
    base = f"{registry.address}/it/own:1"
    engine.images.get(BASE).tag(base)
    engine.images.push(base)
    with pytest.raises(BuildError, match=rf"{base} is not there for linux/arm64"):
        build(engine, project, f"FROM {base}\nCOPY target /\n", platform=("linux/arm64",))


def test_stages_and_programs_of_this_machine_are_built(
    engine: docker.DockerClient, project: Path, registry: RunningRegistry
) -> None:
    with_shell = registry.container.attrs["Config"]["Image"]
    built = build(
        engine,
        project,
        f"FROM {with_shell} AS made\nRUN echo made > /made\nFROM {BASE}\nCOPY --from=made /made /made\n",
    )
    assert files_of(engine, built) == {"made": b"made\n"}


@pytest.mark.parametrize(
    ("dockerfile", "advice"),
    [
        (f"FROM {BASE}\nCOPY missing.txt /\n", "neither git nor .dockerignore ignores"),
        (f"FROM {BASE}\nRUN --mount=type=cache,target=/x true\n", "BuildKit"),
        (f"FROM {BASE}\nRUN <<END\ntrue\nEND\n", "BuildKit"),
    ],
    # The base's name is another in every process, and workers have to agree on what they share out.
    ids=["missing", "mount", "heredoc"],
)
def test_a_dockerfile_that_does_not_build_says_why(
    engine: docker.DockerClient, project: Path, dockerfile: str, advice: str
) -> None:
    with pytest.raises(BuildError, match="could not be built") as refused:
        build(engine, project, dockerfile)
    assert refused.value.why
    assert advice in refused.value.advice


@pytest.mark.parametrize(("name", "why"), [("Dockerfil", "No such file"), ("pom.xml", "it has no FROM")])
def test_a_dockerfile_that_is_none_is_refused_by_its_key(
    engine: docker.DockerClient, project: Path, name: str, why: str
) -> None:
    with pytest.raises(InputError, match=r"DOCKERFILE: .*cannot be built by") as refused:
        build(engine, project, PIPELINE, dockerfile=name)
    assert why in refused.value.why
