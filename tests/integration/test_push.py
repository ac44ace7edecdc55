"""Push against a real registry: what it holds afterwards, and every way in which it says no."""

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from pydantic import SecretStr

from deploy.artifact import transfer
from deploy.artifact.push import push
from deploy.registry import Registry, open_registry
from deploy.values.build import Build
from deploy.values.errors import BuildError, InputError
from deploy.values.events import Event, Stream
from deploy.values.settings import Settings
from tests.support.builds import build_of_image
from tests.support.images import OURS, load_image, remove_images
from tests.support.leaks import canary
from tests.support.registry import RunningRegistry, StartRegistry
from tests.support.settings import make_settings
from tests.support.tars import tar_of
from tests.support.tiny import build_tiny

PROXY = f"{OURS}/proxy:1"


@pytest.fixture(scope="module", autouse=True)
def _images(engine: docker.DockerClient) -> Iterator[None]:
    """The images of these tests; their names are taken from the engine at the end."""
    build_tiny(engine, version="1", app="proxy")
    for version in ("1", "2"):
        build_tiny(engine, version=version, app="push")
    yield
    remove_images(engine, f"{OURS}/proxy:", f"{OURS}/push:")


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository of the test's own in the shared registry."""
    return "it/" + str(request.node.name).partition("[")[0].removeprefix("test_").replace("_", "-")


def settings_for(address: str, repository: str, **given: Any) -> Settings:
    return make_settings(image=repository, registry=address, proxy_image=PROXY, **given)


def a_build(engine: docker.DockerClient, version: str, tag: str = "1.0", *, given: bool = False) -> Build:
    return build_of_image(engine, f"{OURS}/push:{version}", tag=tag, tag_given=given)


def reader(address: str) -> Registry:
    return Registry(address, insecure=True)


def test_a_push_ends_in_a_digest_that_holds_the_image(
    engine: docker.DockerClient, registry: RunningRegistry, repository: str
) -> None:
    build = a_build(engine, "1")
    pushed = push(build, settings_for(registry.address, repository), engine, Stream()).pushed
    assert pushed is not None
    there = reader(registry.address)
    assert there.digest(repository, "1.0") == pushed.digest
    manifest = there.manifest(repository, pushed.digest)
    assert build.image is not None
    assert (
        tuple(there.config(repository, manifest.config.digest)["rootfs"]["diff_ids"]) == build.image.diff_ids
    )
    assert there.blob_size(repository, manifest.layers[0].digest) == manifest.layers[0].size
    assert not engine.images.list(f"{registry.address}/{repository}")
    assert pushed.proxy_repository == f"{repository}-proxy"
    assert there.digest(pushed.proxy_repository, pushed.proxy_digest) == pushed.proxy_digest
    engine.images.pull(f"{registry.address}/{repository}@{pushed.digest}")


def test_what_is_there_is_not_pushed_again(
    engine: docker.DockerClient, registry: RunningRegistry, repository: str
) -> None:
    settings = settings_for(registry.address, repository)
    events: list[Event] = []
    first = push(a_build(engine, "1"), settings, engine, Stream(events.append))
    assert [event.data for event in events if "bytes" in event.data]
    events.clear()
    second = push(first, settings, engine, Stream(events.append))
    assert second == first
    assert not [event for event in events if event.kind == "progress"]


def test_it_tells_layers_reused_and_bytes_as_they_were_sent(
    engine: docker.DockerClient, registry: RunningRegistry, repository: str
) -> None:
    load_image(engine, f"{OURS}/push:big", tar_of({"zeros": bytes(3_000_000), "name": os.urandom(9)}))
    events: list[Event] = []
    settings = settings_for(registry.address, repository)
    push(build_of_image(engine, f"{OURS}/push:big", tag="1"), settings, engine, Stream(events.append))
    (told, *_) = [event.data for event in events if "bytes" in event.data]
    assert (told["reused"], told["sent"]) == (0, 1)
    assert 0 < int(str(told["bytes"])) < 100_000  # compressed


def test_a_computed_tag_that_means_another_image_gets_a_suffix(
    engine: docker.DockerClient, registry: RunningRegistry, repository: str
) -> None:
    settings = settings_for(registry.address, repository)
    first = push(a_build(engine, "1"), settings, engine, Stream())
    second = push(a_build(engine, "2"), settings, engine, Stream())
    assert second.tag.startswith("1.0-")
    assert second.pushed is not None
    assert second.pushed.tag == second.tag
    there = reader(registry.address)
    assert set(there.tags(repository)) == {"1.0", second.tag}
    assert first.pushed is not None
    assert there.digest(repository, "1.0") == first.pushed.digest
    assert push(second, settings, engine, Stream()) == second
    assert push(a_build(engine, "2"), settings, engine, Stream()) == second


def test_a_given_tag_that_means_another_image_is_refused(
    engine: docker.DockerClient, registry: RunningRegistry, repository: str
) -> None:
    settings = settings_for(registry.address, repository)
    push(a_build(engine, "1", given=True), settings, engine, Stream())
    with pytest.raises(BuildError, match=r"The tag 1\.0 of .* stands for another image") as refused:
        push(a_build(engine, "2", given=True), settings, engine, Stream())
    assert "invoke tag" in refused.value.advice
    push(a_build(engine, "1", given=True), settings, engine, Stream())


def test_an_image_that_is_gone_names_the_task(engine: docker.DockerClient, registry: RunningRegistry) -> None:
    build = a_build(engine, "1")
    assert build.image is not None
    gone = build.model_copy(update={"image": build.image.model_copy(update={"id": "sha256:" + "0" * 64})})
    with pytest.raises(InputError, match="not in this engine") as refused:
        push(gone, settings_for(registry.address, "gone"), engine, Stream())
    assert "invoke image" in refused.value.advice


@pytest.mark.fault(15)
@pytest.mark.security(13)
def test_expired_credentials_are_an_error_that_names_their_keys(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    password = canary("registry")
    running = registries(users={"ci": password})
    settings = settings_for(running.address, "app", registry_user="ci", registry_password=SecretStr(password))
    push(a_build(engine, "1"), settings, engine, Stream())
    running.set_users({"ci": canary("changed")})
    running.restart()
    with pytest.raises(BuildError, match=rf"{running.address} refuses the credentials") as refused:
        push(a_build(engine, "2"), settings, engine, Stream())
    assert "REGISTRY_PASSWORD" in refused.value.advice
    assert password not in f"{refused.value.why}{refused.value.advice}"


@pytest.mark.fault(15)
def test_credentials_that_expire_during_the_push_are_told_from_its_stream(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    running = registries(users={"ci": "right"})
    engine.images.get(f"{OURS}/push:1").tag(f"{running.address}/app", "1")
    with pytest.raises(transfer.TransferError, match="refuses the credentials") as refused:
        transfer.push(engine, f"{running.address}/app", "1", auth=None, check=lambda: None, stream=Stream())
    assert "no basic auth credentials" in refused.value.why


@pytest.mark.security(13)
def test_the_credentials_of_docker_login_are_used(
    engine: docker.DockerClient, registries: StartRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = canary("login")
    running = registries(users={"ci": password})
    auth = base64.b64encode(f"ci:{password}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {running.address: {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert push(a_build(engine, "1"), settings_for(running.address, "app"), engine, Stream()).pushed


@pytest.mark.security(3)
def test_a_registry_without_tls_is_told_with_the_line_that_mends_it(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    running = registries()
    running.container.reload()
    # Its address among the containers is not loopback, so the engine insists on TLS.
    (network, *_) = running.container.attrs["NetworkSettings"]["Networks"].values()
    name = f"{network['IPAddress']}:5000/app"
    engine.images.get(f"{OURS}/push:1").tag(name, "1")
    try:
        with pytest.raises(transfer.TransferError, match="speaks plain HTTP") as refused:
            transfer.push(engine, name, "1", auth=None, check=lambda: None, stream=Stream())
    finally:
        engine.images.remove(f"{name}:1")
    assert "server gave HTTP response to HTTPS client" in refused.value.why
    assert f"daemon.json {network['IPAddress']}:5000 && sudo kill -HUP" in refused.value.advice


@pytest.mark.fault(16)
def test_a_read_only_registry_is_told(engine: docker.DockerClient, registries: StartRegistry) -> None:
    running = registries(environment={"REGISTRY_STORAGE_MAINTENANCE_READONLY": "{enabled: true}"})
    with pytest.raises(BuildError, match="read-only") as refused:
        push(a_build(engine, "1"), settings_for(running.address, "app"), engine, Stream())
    assert refused.value.why


@pytest.mark.fault(16)
def test_a_full_registry_is_told(engine: docker.DockerClient, registries: StartRegistry) -> None:
    running = registries(tmpfs={"/var/lib/registry": "size=256k"})
    with pytest.raises(BuildError, match="no space left") as refused:
        push(
            a_build(engine, "1"),
            settings_for(running.address, "app"),
            engine,
            Stream(),
            patience=transfer.Patience(retrying=1),
        )
    assert "no space left on device" in refused.value.why


@pytest.mark.fault(17)
def test_a_missing_blob_is_found_and_mended(engine: docker.DockerClient, registries: StartRegistry) -> None:
    running = registries()
    settings = settings_for(running.address, "app")
    pushed = push(a_build(engine, "1"), settings, engine, Stream())
    assert pushed.pushed is not None
    layer = reader(running.address).manifest("app", pushed.pushed.digest).layers[0].digest
    running.run("rm", running.blob_path(layer))
    # The registry's cache still claims the blob, so the engine sends nothing.
    with pytest.raises(BuildError, match="misses 1 blob") as refused:
        push(pushed, settings, engine, Stream())
    assert layer in refused.value.why
    assert "Restart the registry" in refused.value.advice
    running.restart()
    assert push(pushed, settings, engine, Stream()) == pushed
    assert reader(running.address).blob_exists("app", layer)


def big_image(engine: docker.DockerClient) -> Build:
    """One that takes a while to push: its content does not compress."""
    load_image(engine, f"{OURS}/push:slow", tar_of({"noise": os.urandom(60_000_000)}))
    return build_of_image(engine, f"{OURS}/push:slow", tag="slow")


def at_first_progress(act: Callable[[], object]) -> Stream:
    """A stream that acts once, when a layer begins to move."""
    done: list[object] = []

    def listen(event: Event) -> None:
        if event.kind == "progress" and " 0.0 MB" not in event.text and not done:
            done.append(act())

    return Stream(listen)


@pytest.mark.fault(13)
def test_a_registry_killed_during_the_push_is_an_error_and_the_next_push_completes(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    running = registries()
    build, settings = big_image(engine), settings_for(running.address, "app")
    with pytest.raises(BuildError, match=rf"{running.address} refuses connections"):
        push(
            build,
            settings,
            engine,
            at_first_progress(running.container.kill),
            patience=transfer.Patience(retrying=3),
        )
    running.container.start()
    running.wait()
    pushed = push(build, settings, engine, Stream()).pushed
    assert pushed is not None
    assert reader(running.address).digest("app", "slow") == pushed.digest


@pytest.mark.fault(14)
def test_a_registry_that_hangs_during_the_push_is_named_in_bounded_time(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    running = registries()
    build, settings = big_image(engine), settings_for(running.address, "app")
    stream = at_first_progress(running.container.pause)
    before = time.monotonic()
    try:
        with pytest.raises(BuildError, match=rf"the registry {running.address} hangs"):
            push(build, settings, engine, stream, patience=transfer.Patience(silence=3))
        assert time.monotonic() - before < 15
    finally:
        running.container.unpause()


@pytest.mark.fault(14)
def test_a_registry_that_hangs_before_the_push_is_named_in_bounded_time(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    running = registries()
    running.container.pause()
    try:
        with pytest.raises(BuildError, match=rf"{running.address} did not answer within 1 s"):
            Registry(running.address, insecure=True, read_seconds=1).ping()
    finally:
        running.container.unpause()


def test_a_registry_that_is_down_is_told_at_once(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    running = registries()
    running.container.kill()
    before = time.monotonic()
    with pytest.raises(BuildError, match="refuses connections"):
        push(a_build(engine, "1"), settings_for(running.address, "app"), engine, Stream())
    assert time.monotonic() - before < 15, "it was tried again and again"


def test_the_settings_open_a_registry_with_their_credentials(
    engine: docker.DockerClient, registries: StartRegistry
) -> None:
    running = registries(users={"ci": "right"})
    right = settings_for(running.address, "a", registry_user="ci", registry_password=SecretStr("right"))
    open_registry(right, engine.info()).ping()
    with pytest.raises(BuildError, match="refuses the credentials"):
        open_registry(settings_for(running.address, "a"), engine.info()).ping()
