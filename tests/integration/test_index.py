"""Images for two platforms under one digest, against a real registry and engine."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deploy.artifact import index, transfer
from deploy.artifact.image import build_image
from deploy.artifact.place import Place
from deploy.artifact.push import push
from deploy.registry import Registry
from deploy.rollout.registered import contents_of, images_of
from deploy.setup import stock
from deploy.values.build import Build
from deploy.values.errors import InputError
from deploy.values.events import Event, Stream
from deploy.values.settings import Settings
from tests.support.applications import ROOT
from tests.support.boot_jars import write_boot_jar
from tests.support.builds import build_of_image, build_of_jar
from tests.support.images import OURS, load_image, remove_images
from tests.support.registry import RunningRegistry
from tests.support.settings import make_settings
from tests.support.tars import tar_of

AMD, ARM = PLATFORMS = ("linux/amd64", "linux/arm64")
BASE, PROXY = "it/index-base", "it/index-proxy"


BY_DIGEST = "by digest"


@pytest.fixture(scope="module")
def address(engine: docker.DockerClient, registry: RunningRegistry) -> Iterator[str]:
    """The registry, which has a base image and a proxy for both platforms."""
    for repository in (BASE, PROXY):
        images = {each: load(engine, repository, each) for each in PLATFORMS}
        settings = make_settings(registry=registry.address)
        index.send([place(engine, settings, repository, *each) for each in images.items()], "1")
    digests = {name: reader(registry.address).digest(name, "1") for name in (BASE, PROXY)}
    yield registry.address
    known = [f"{registry.address}/{name}{end}" for name in digests for end in (":1", f"@{digests[name]}")]
    beside = [transfer.name_beside(reference, AMD).partition(":")[0] for reference in known]
    remove_images(engine, f"{OURS}/", f"{registry.address}/it/", f"jarship-build/{OURS}/", *beside)


def load(engine: docker.DockerClient, name: str, platform: str, version: str = "1") -> str:
    """An image that claims a platform."""
    content = tar_of({"what": f"{name} {version} for {platform}".encode()})
    return load_image(engine, f"{OURS}/{name}-{platform[6:]}:{version}", content, platform=platform)


def place(
    engine: docker.DockerClient, settings: Settings, repository: str, platform: str, name: str
) -> Place:
    return Place(
        client=engine,
        registry=reader(settings.registry),
        stream=Stream(),
        repository=repository,
        image=engine.images.get(name),
        platform=platform,
        settings=settings,
        patience=transfer.Patience(),
    )


def reader(address: str) -> Registry:
    return Registry(address, insecure=True)


def settings_for(address: str, repository: str) -> Settings:
    return make_settings(
        image=repository,
        registry=address,
        base_image=f"{address}/{BASE}:1",
        proxy_image=f"{address}/{PROXY}:1",
        platform=PLATFORMS,
    )


def both(engine: docker.DockerClient, arm: str = "1") -> Build:
    """A build for both platforms; the version of the second may be another one."""
    one = build_of_image(engine, load(engine, "app", AMD), tag="1.0")
    other = build_of_image(engine, load(engine, "app", ARM, arm), tag="1.0")
    return one.model_copy(update={"others": other.images})


def test_an_engine_takes_the_image_for_its_platform_by_the_one_digest(
    engine: docker.DockerClient, address: str
) -> None:
    settings = settings_for(address, "it/index")
    build = push(both(engine), settings, engine, Stream())
    assert build.pushed is not None
    there = reader(address)
    manifest = there.manifest("it/index", build.pushed.digest)
    assert manifest.is_index
    assert tuple(manifest.platforms) == PLATFORMS
    assert there.tags("it/index") == ("1.0", "1.0-amd64", "1.0-arm64")

    name = f"{address}/it/index@{build.pushed.digest}"
    for image in build.images:
        pulled = engine.images.pull(name, platform=image.platform)
        assert (transfer.platform_of(pulled), pulled.id) == (image.platform, image.id)
        assert name in pulled.attrs["RepoDigests"]
        engine.images.remove(name)  # an engine does not give a digest another meaning
    proxy = there.manifest(build.pushed.proxy_repository, build.pushed.proxy_digest)
    assert tuple(proxy.platforms) == PLATFORMS


def test_what_is_there_is_not_sent_again(engine: docker.DockerClient, address: str) -> None:
    settings = settings_for(address, "it/index-again")
    first = push(both(engine), settings, engine, Stream())
    events: list[Event] = []
    assert push(first, settings, engine, Stream(events.append)) == first
    assert not [event for event in events if event.kind in ("started", "progress")]


def test_a_tag_keeps_its_meaning_for_each_platform(engine: docker.DockerClient, address: str) -> None:
    settings = settings_for(address, "it/index-tag")
    first = push(both(engine), settings, engine, Stream())
    other = push(both(engine, arm="2"), settings, engine, Stream())
    assert other.tag.startswith("1.0-")
    assert first.pushed
    assert other.pushed
    assert first.pushed.digest != other.pushed.digest
    alone = both(engine).model_copy(update={"others": ()})
    pushed = push(alone, settings, engine, Stream()).pushed
    assert pushed is not None
    assert pushed.digest == first.pushed.digest, "the index has the very image"


def test_an_image_that_is_gone_from_the_engine_is_told(engine: docker.DockerClient, address: str) -> None:
    build = both(engine)
    gone = build.others[0].model_copy(update={"id": "sha256:" + "0" * 64})
    with pytest.raises(InputError, match="not in this engine"):
        push(build.model_copy(update={"others": (gone,)}), settings_for(address, "it/x"), engine, Stream())


@pytest.mark.parametrize("reference", ["by tag", BY_DIGEST])
def test_one_jar_becomes_an_image_for_each_platform_without_emulation(
    engine: docker.DockerClient, address: str, tmp_path: Path, reference: str
) -> None:
    settings = settings_for(address, f"{OURS}/index-jar")
    if reference == BY_DIGEST:
        base = f"{address}/{BASE}@{reader(address).digest(BASE, '1')}"
        settings = settings.model_copy(update={"base_image": base})
    given = build_of_jar(write_boot_jar(tmp_path / "demo.jar"))
    events: list[Event] = []
    built = build_image(given, settings, ROOT, engine, Stream(events.append))
    assert tuple(image.platform for image in built.images) == PLATFORMS
    one, other = built.images
    assert one.diff_ids[1:] == other.diff_ids[1:], "the jar's layers are the same"
    assert one.diff_ids[0] != other.diff_ids[0], "each stands on the base of its own platform"

    events.clear()
    assert build_image(built, settings, ROOT, engine, Stream(events.append)) == built
    assert [event.text for event in events if "Pulling" in event.text] == []


def test_hosts_fetch_and_the_registry_keeps_each_platforms_own(
    engine: docker.DockerClient, address: str
) -> None:
    settings = settings_for(address, "it/index-stock")
    pushed = push(both(engine), settings, engine, Stream()).pushed
    assert pushed is not None
    images = images_of(reader(address), "it/index-stock", pushed.digest)
    assert tuple(images) == PLATFORMS
    layers = {content.platform: content.layers for content in contents_of("image", images)}
    assert layers[AMD] != layers[ARM]

    held = stock.read(reader(address), ["it/index-stock"])
    uses = {images_digest(address, pushed.digest, ARM): ["web1 runs it"]}
    verdicts = {each.held.tags: each.stays for each in stock.judge(held, uses, keep=0, also={})}
    assert verdicts[("1.0",)].startswith("web1 runs it")
    assert verdicts[("1.0-amd64",)] == verdicts[("1.0-arm64",)] == "part of 1.0"


def images_digest(address: str, digest: str, platform: str) -> str:
    return reader(address).image_manifest("it/index-stock", digest, platform).digest
