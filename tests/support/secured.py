"""A registry with TLS and a password, and two images for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import docker
import pytest
from pydantic import SecretStr

from deploy.setup import authority
from deploy.values.settings import Settings
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
