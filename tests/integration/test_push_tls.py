"""Push to a registry with TLS and a password: by its authority's certificate, and never by plain HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import docker
import pytest
from pydantic import SecretStr

from deploy.artifact.push import push
from deploy.registry import open_registry
from deploy.setup import authority
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from deploy.values.settings import Settings
from tests.support.builds import build_of_image
from tests.support.images import OURS, remove_images
from tests.support.leaks import canary
from tests.support.registry import RunningRegistry, start_registry
from tests.support.settings import make_settings
from tests.support.tiny import build_tiny

IMAGE = f"{OURS}/push-tls:1"
PROXY = f"{OURS}/push-tls-proxy:1"
PASSWORD = canary("registry-tls")


@dataclass(frozen=True, kw_only=True)
class Secured:
    """A registry with TLS and a password."""

    registry: RunningRegistry
    ca: Path
    """Its authority's certificate."""

    def settings(self, *, ca: Path | None = None, password: str = PASSWORD) -> Settings:
        return make_settings(
            image="app",
            registry=self.registry.address,
            proxy_image=PROXY,
            registry_user="ci",
            registry_password=SecretStr(password),
            registry_ca=str(ca or self.ca),
        )


@pytest.fixture(scope="module")
def secured(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("ca")
    ours = authority.ensure(folder, now=datetime.now(UTC))
    build_tiny(engine, version="1", app="push-tls")
    build_tiny(engine, version="1", app="push-tls-proxy")
    certificate = authority.sign(ours, ["127.0.0.1"], now=datetime.now(UTC))
    running = start_registry(engine, users={"ci": PASSWORD}, certificate=certificate)
    yield Secured(registry=running, ca=folder / "ca.crt")
    running.remove()
    remove_images(engine, f"{OURS}/push-tls")


def test_a_push_ends_in_a_digest_that_the_registry_tells_over_tls(
    engine: docker.DockerClient, secured: Secured
) -> None:
    settings = secured.settings()
    pushed = push(build_of_image(engine, IMAGE, tag="1.0"), settings, engine, Stream()).pushed
    assert pushed is not None
    assert open_registry(settings, engine.info()).digest("app", "1.0") == pushed.digest


def test_a_wrong_password_is_told_and_not_shown(engine: docker.DockerClient, secured: Secured) -> None:
    wrong = canary("registry-wrong")
    with pytest.raises(BuildError, match="refuses the credentials") as refused:
        push(build_of_image(engine, IMAGE, tag="1.1"), secured.settings(password=wrong), engine, Stream())
    assert wrong not in f"{refused.value.what}{refused.value.why}{refused.value.advice}"


@pytest.mark.fault(20)
@pytest.mark.security(3)
def test_another_authority_is_refused_and_plain_http_not_tried(
    engine: docker.DockerClient, secured: Secured, tmp_path: Path
) -> None:
    authority.ensure(tmp_path, now=datetime.now(UTC))
    before = secured.registry.container.logs().decode()
    with pytest.raises(BuildError, match="certificate") as refused:
        push(
            build_of_image(engine, IMAGE, tag="1.2"),
            secured.settings(ca=tmp_path / "ca.crt"),
            engine,
            Stream(),
        )
    assert "REGISTRY_CA" in f"{refused.value.why} {refused.value.advice}"
    said = secured.registry.container.logs().decode().removeprefix(before)
    assert "HTTP request to an HTTPS server" not in said


@pytest.mark.fault(20)
def test_an_expired_certificate_is_told(
    engine: docker.DockerClient, tmp_path: Path, secured: Secured
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=authority.CERTIFICATE_DAYS + 10)
    ours = authority.ensure(tmp_path, now=long_ago)
    expired = authority.sign(ours, ["127.0.0.1"], now=long_ago)
    running = start_registry(engine, users={"ci": PASSWORD}, certificate=expired)
    try:
        there = Secured(registry=running, ca=tmp_path / "ca.crt")
        with pytest.raises(BuildError, match="certificate") as refused:
            push(build_of_image(engine, IMAGE, tag="1.0"), there.settings(), engine, Stream())
        assert "certificate has expired" in refused.value.why
    finally:
        running.remove()
