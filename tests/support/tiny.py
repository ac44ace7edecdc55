"""The tiny application: an image of less than a megabyte whose environment switches how it behaves.

`tests/data/tiny/tiny.c` describes the switches; as settings they are APP_ENV_HEALTH and the like. It is
compiled once, in a container, and kept in the engine as one of the sandbox's images.
"""

import hashlib
from pathlib import Path

import docker

from deploy.artifact.push import push
from deploy.preparing import alone
from deploy.sandbox import images
from deploy.values import labels
from deploy.values.build import Build
from deploy.values.events import Stream
from deploy.values.settings import Settings
from tests.support.builds import build_of_image
from tests.support.images import EPOCH, OURS, load_image
from tests.support.tars import tar_of

HERE = Path(__file__).parents[1] / "data" / "tiny"
COMPILE = (
    "apt-get update -q && apt-get install -qy --no-install-recommends gcc libc6-dev"
    " && gcc -O2 -Wall -Werror -static -s -pthread -o /tiny /tiny.c"
)
COMPILE_SECONDS = 300
HEALTHCHECK = {"Test": ["CMD", "/tiny", "--healthcheck"], "Interval": 500_000_000, "Retries": 1}
"""As an image's configuration has it; nanoseconds."""


def tiny_tar(client: docker.DockerClient) -> bytes:
    """A tar with the program, compiled when the engine has none of this source."""
    content = COMPILE.encode() + (HERE / "tiny.c").read_bytes()
    name = f"{images.PREFIX}tiny:{hashlib.sha256(content).hexdigest()[:12]}"
    with alone():
        if not client.api.images(name):
            config = {"Labels": {labels.SANDBOX_IMAGE: "tiny"}, "Cmd": ["/tiny"]}
            load_image(client, name, _compile(client), config=config)
    return _take(client, name)


def build_tiny(
    client: docker.DockerClient,
    *,
    version: str,
    app: str = "tiny",
    platform: str = "",
    health_path: str = "/health",
    created: str = EPOCH,
    healthcheck: bool = False,
) -> str:
    """An image of the application that shows a version; its name. Another platform is only claimed."""
    stated = {
        labels.APP: app,
        labels.HEALTH_PATH: health_path,
        labels.BOOT_VERSION: "3.5.0",
        "org.opencontainers.image.version": version,
    }
    config = {
        "User": "10001:10001",
        "Env": ["PROFILE=prod", f"VERSION={version}"],
        "Entrypoint": ["/tiny"],
        "Labels": stated,
        **({"Healthcheck": HEALTHCHECK} if healthcheck else {}),
    }
    name = f"{OURS}/{app}:{version}"
    return load_image(client, name, tiny_tar(client), config=config, platform=platform, created=created)


def push_tiny(
    client: docker.DockerClient,
    settings: Settings,
    version: str,
    stream: Stream,
    *,
    platform: str = "",
    health_path: str = "/health",
    created: str = EPOCH,
    healthcheck: bool = False,
) -> Build:
    """A build of the tiny application, in the registry of the settings; fit for `deploy --build`.

    The jar and the source that it names do not exist.
    """
    app = settings.app_name
    image = build_tiny(
        client,
        version=version,
        app=app,
        platform=platform,
        health_path=health_path,
        created=created,
        healthcheck=healthcheck,
    )
    build = build_of_image(client, image, tag=version, app=app)
    return push(build, settings, client, stream)


def _compile(client: docker.DockerClient) -> bytes:
    base = _base(client)
    container = client.containers.create(base, ["sh", "-ec", COMPILE], labels={labels.SANDBOX_IMAGE: "tiny"})
    try:
        container.put_archive("/", tar_of({"tiny.c": (HERE / "tiny.c").read_bytes()}))
        container.start()
        if container.wait(timeout=COMPILE_SECONDS)["StatusCode"]:
            raise RuntimeError(f"tiny.c was not compiled:\n{container.logs(tail=30).decode()}")
        return b"".join(container.get_archive("/tiny")[0])
    finally:
        container.remove(force=True)


def _base(client: docker.DockerClient) -> str:
    stream = Stream()
    if images.hub_answers(client):
        images.pull(client, images.HUB_BASE, stream)
        return images.HUB_BASE
    base = images.base_reference()
    if not client.images.list(base):
        images.build_base(client, base, stream, "auto")
    return base


def _take(client: docker.DockerClient, name: str) -> bytes:
    container = client.containers.create(name)
    try:
        return b"".join(container.get_archive("/tiny")[0])
    finally:
        container.remove()
