"""No image leaves with a secret: a real one, its configuration, its history and its jar looked at."""

import zipfile
from pathlib import Path

import docker
import pytest
from pydantic import SecretStr

from deploy.artifact.secret_scan import RECORD, refuse_secrets
from deploy.values.build import Build
from deploy.values.errors import BuildError
from deploy.values.events import Event, Stream
from tests.support.builds import build_of_image
from tests.support.images import OURS, load_image, remove_images
from tests.support.leaks import canary
from tests.support.settings import make_settings
from tests.support.tars import tar_of

SECRET = canary("image-secret")
SETTINGS = make_settings(secrets={"DB_PASSWORD": SecretStr(SECRET)})


def a_build(engine: docker.DockerClient, root: Path, page: str, **config: object) -> Build:
    """A build whose jar has a page, and whose image a configuration."""
    name = load_image(engine, f"{OURS}/scanned:1", tar_of({"x": b"x"}), config={"Cmd": ["/x"], **config})
    with zipfile.ZipFile(root / "app.jar", "w") as jar:
        jar.writestr("BOOT-INF/classes/application.properties", page)
    build = build_of_image(engine, name, tag="1", app="demo")
    return build.model_copy(
        update={"jar": build.jar.model_copy(update={"path": "app.jar", "sha256": f"of {page}"})}
    )


@pytest.mark.security(10)
def test_a_secret_in_jar_or_image_stops_the_push(engine: docker.DockerClient, tmp_path: Path) -> None:
    build = a_build(engine, tmp_path, f"password={SECRET}", Env=[f"DB={SECRET}"])
    with pytest.raises(BuildError) as raised:
        refuse_secrets(build, SETTINGS, tmp_path, engine, Stream())
    assert raised.value.exit_code == 4
    assert raised.value.details == (
        "BOOT-INF/classes/application.properties: the value of SECRET_DB_PASSWORD",
        "the image's configuration: the value of SECRET_DB_PASSWORD",
    )
    assert SECRET not in str(raised.value)

    events: list[Event] = []
    accepted = SETTINGS.model_copy(update={"image_secrets": "warn"})
    refuse_secrets(build, accepted, tmp_path, engine, Stream(events.append))
    assert [event.kind for event in events] == ["warning", "warning"]
    remove_images(engine, OURS)


def test_a_clean_one_may_leave_and_is_looked_at_once(engine: docker.DockerClient, tmp_path: Path) -> None:
    build = a_build(engine, tmp_path, "password=${DB_PASSWORD}")
    refuse_secrets(build, SETTINGS, tmp_path, engine, Stream())
    assert SECRET not in (tmp_path / RECORD).read_text()
    (tmp_path / "app.jar").unlink()
    events: list[Event] = []
    refuse_secrets(build, SETTINGS, tmp_path, engine, Stream(events.append))
    assert events == []
    other = make_settings(secrets={"DB_PASSWORD": SecretStr("another-canary")})
    refuse_secrets(build, other, tmp_path, engine, Stream(events.append))
    assert "not searched" in events[0].text
    remove_images(engine, OURS)
