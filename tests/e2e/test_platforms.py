"""A release for hosts of both architectures: each takes its own image, by the one digest."""

from collections.abc import Iterator

import docker
import pytest

from deploy.artifact import index, transfer
from deploy.artifact.place import Place
from deploy.artifact.push import push
from deploy.registry import open_registry
from deploy.values.build import Build
from deploy.values.events import Stream
from tests.support.builds import build_of_image
from tests.support.images import OURS, load_image, remove_images
from tests.support.rollouts import APP, Releases
from tests.support.tars import tar_of
from tests.support.tiny import build_tiny

PROXY = "both/proxy"


@pytest.fixture
def proxy(releases: Releases, engine: docker.DockerClient) -> Iterator[str]:
    """A proxy for both, in the sandbox's registry."""
    settings = releases.settings()
    other = load_image(engine, f"{OURS}/proxy:arm", tar_of({"nginx": b"arm"}), platform="linux/arm64")
    places = [
        Place(
            client=engine,
            registry=open_registry(settings, None),
            stream=Stream(),
            repository=PROXY,
            image=engine.images.get(name),
            platform=transfer.platform_of(engine.images.get(name)),
            settings=settings,
            patience=transfer.Patience(),
        )
        for name in (settings.proxy_image, other)
    ]
    index.send(places, "1")
    name = f"{settings.registry}/{PROXY}:1"
    yield name
    beside = transfer.name_beside(name, "linux/arm64").partition(":")[0]
    remove_images(engine, f"{OURS}/proxy:arm", f"{settings.registry}/{PROXY}", beside)


def for_both(releases: Releases, version: str, proxy: str) -> Build:
    """A build whose second image only claims its platform."""
    engine = releases.engine
    one = build_of_image(engine, build_tiny(engine, version=version, app=APP), tag=version, app=APP)
    arm = build_tiny(engine, version=f"{version}-for-arm", app=APP, platform="linux/arm64")
    build = one.model_copy(update={"others": build_of_image(engine, arm, tag=version).images})
    return push(build, releases.settings(proxy_image=proxy), engine, Stream())


def test_each_host_runs_the_image_for_its_platform_and_goes_back_to_it(
    releases: Releases, proxy: str
) -> None:
    pushed = []
    for version in ("1", "2"):
        build = for_both(releases, version, proxy)
        pushed.append(build)
        releases.deploy(build, proxy_image=proxy)
        assert releases.versions() == [version, version]
    assert pushed[1].pushed is not None
    for host in releases.hosts:
        image = releases.containers(host)[APP]["Config"]["Image"]
        # Of the index, and so the same on a host of another kind.
        assert image.endswith(pushed[1].pushed.digest)
    releases.roll_back()
    assert releases.versions() == ["1", "1"]
    releases.deploy(releases.build("3"))
    # By its own tag, as other tests may have pushed a "2" of theirs before.
    releases.roll_back(to=pushed[1].tag)
    assert releases.versions() == ["2", "2"]
