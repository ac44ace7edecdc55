"""A fresh build machine's push: what the registry has from another one is not sent again."""

import hashlib
import io
import json
import secrets
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

import docker
import pytest

from deploy.artifact.carry import Carried, carry
from deploy.registry import Registry
from deploy.values.errors import BuildError
from tests.support.images import OURS, remove_images
from tests.support.registry import RunningRegistry, StartRegistry
from tests.support.tars import tar_of

DEPENDENCIES = secrets.token_bytes(2 * 2**20)
LIBRARIES = tar_of({"app/lib.jar": DEPENDENCIES})
REPOSITORY = f"{OURS}/carried"


@pytest.fixture(autouse=True)
def _images(engine: docker.DockerClient) -> Iterator[None]:
    yield
    remove_images(engine, f"jarship-build/{OURS}/")


def load(client: docker.DockerClient, name: str, *layers: bytes) -> Any:
    """An image of these layers."""
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/x"]},
        "history": [{"created_by": "test"} for _ in layers],
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    names = [f"{place}.tar" for place in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": names}]
    files: Mapping[str, bytes] = dict(zip(names, layers, strict=True))
    packed = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    client.images.load(tar_of({**packed, **files}))
    return client.images.get(name)


def push(client: docker.DockerClient, registry: RunningRegistry, image: Any, tag: str) -> None:
    """As an engine pushes."""
    name = f"{registry.address}/{REPOSITORY}"
    image.tag(name, tag)
    client.images.push(name, tag)
    client.images.remove(f"{name}:{tag}")


def carried(client: docker.DockerClient, registry: RunningRegistry, image: Any, tag: str) -> Carried | None:
    return carry(client, Registry(registry.address, insecure=True), REPOSITORY, tag, image)


def test_only_what_no_image_of_the_repository_has_is_sent(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    registry = registries()
    push(engine, registry, load(engine, f"{OURS}/first:1", LIBRARIES, tar_of({"app/page": b"one"})), "1")
    remove_images(engine, f"{OURS}/first")
    page = tar_of({"app/page": b"two"})
    image = load(engine, f"jarship-build/{REPOSITORY}:2", LIBRARIES, page)
    sent = carried(engine, registry, image, "2")
    assert sent is not None
    assert sent.reused == 1
    assert sum(sent.sent) < 1000

    api = Registry(registry.address, insecure=True)
    manifest = api.manifest(REPOSITORY, "2")
    assert manifest.digest == sent.digest == api.digest(REPOSITORY, "2")
    assert manifest.layers[0] == api.manifest(REPOSITORY, "1").layers[0]
    assert manifest.config.digest == image.id
    remove_images(engine, f"jarship-build/{OURS}/")
    pulled = engine.images.pull(f"{registry.address}/{REPOSITORY}@{sent.digest}")
    assert pulled.id == image.id
    saved = io.BytesIO(b"".join(pulled.save()))
    with tarfile.open(fileobj=saved) as files:
        (content,) = json.load(files.extractfile("manifest.json"))  # type: ignore[arg-type]
        top = files.extractfile(content["Layers"][-1])
        assert top is not None
        assert top.read() == page


def test_an_engine_that_built_for_the_repository_before_pushes_by_itself(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    registry = registries()
    first = load(engine, f"jarship-build/{REPOSITORY}:1", LIBRARIES, tar_of({"app/page": b"one"}))
    assert carried(engine, registry, first, "1") is None, "the registry has nothing yet"
    push(engine, registry, first, "1")
    second = load(engine, f"jarship-build/{REPOSITORY}:2", LIBRARIES, tar_of({"app/page": b"two"}))
    assert carried(engine, registry, second, "2") is None


def test_a_layer_whose_blob_is_gone_does_not_count(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    registry = registries()
    push(engine, registry, load(engine, f"{OURS}/first:1", LIBRARIES, tar_of({"app/page": b"one"})), "1")
    remove_images(engine, f"{OURS}/first")
    blob = Registry(registry.address, insecure=True).manifest(REPOSITORY, "1").layers[0]
    registry.run("rm", registry.blob_path(blob.digest))
    image = load(engine, f"jarship-build/{REPOSITORY}:2", LIBRARIES, tar_of({"app/page": b"two"}))
    assert carried(engine, registry, image, "2") is None


def test_a_read_only_registry_s_words_are_kept(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    registry = registries()
    push(engine, registry, load(engine, f"{OURS}/first:1", LIBRARIES, tar_of({"app/page": b"one"})), "1")
    remove_images(engine, f"{OURS}/first")
    image = load(engine, f"jarship-build/{REPOSITORY}:2", LIBRARIES, tar_of({"app/page": b"two"}))
    readonly = "filesystem: {rootdirectory: /var/lib/registry}, maintenance: {readonly: {enabled: true}}"
    text = f"version: 0.1\nstorage: {{{readonly}}}\nhttp: {{addr: ':5000'}}\n"
    registry.container.put_archive("/etc/docker/registry", tar_of({"config.yml": text.encode()}))
    registry.restart()
    with pytest.raises(BuildError) as refused:
        carried(engine, registry, image, "2")
    assert "405" in refused.value.why
