"""What hosts pull through: a gateway before a registry with TLS and a password, asked by a real engine."""

import base64
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import docker
import pytest
from docker.errors import APIError, NotFound

from deploy.artifact.push import push
from deploy.gateway import Gateway, gateway_to
from deploy.registry import Registry, open_registry
from deploy.values.build import Pushed
from deploy.values.events import Stream
from tests.support.builds import build_of_image
from tests.support.secured import IMAGE, Secured


@pytest.fixture
def pushed(engine: docker.DockerClient, secured: Secured) -> Pushed:
    found = push(build_of_image(engine, IMAGE, tag="gateway"), secured.settings(), engine, Stream()).pushed
    assert found is not None
    return found


@contextmanager
def serving(gateway: Gateway) -> Iterator[int]:
    """The gateway behind a port of this machine, in place of a host's; the port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=_accept, args=(server, gateway), daemon=True).start()
        yield server.getsockname()[1]


def _accept(server: socket.socket, gateway: Gateway) -> None:
    while True:
        try:
            connection: Any = server.accept()[0]  # a socket does what a channel as one does
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, gateway), daemon=True).start()


def _serve(connection: Any, gateway: Gateway) -> None:
    with closing(connection):
        gateway.serve(connection)


def gateway_of(secured: Secured, registry: Registry | None = None) -> Gateway:
    settings = secured.settings().model_copy(update={"registry_trust": "tunnel"})
    opened = registry or open_registry(settings, None)
    gateway = gateway_to(lambda: opened, settings, ["127.0.0.1:15000/app@sha256:" + "0" * 64])
    assert gateway is not None
    return gateway


def ask(port: int, path: str, gateway: Gateway | None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    if gateway:
        login = "{username}:{password}".format(**gateway.auth_config)
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.reason.encode() + error.read(), dict(error.headers)


def test_an_engine_pulls_through_it_what_it_could_not_itself(
    engine: docker.DockerClient, secured: Secured, pushed: Pushed
) -> None:
    gateway = gateway_of(secured)
    with serving(gateway) as port:
        name = f"127.0.0.1:{port}/app@{pushed.digest}"
        image = engine.images.pull(name, auth_config=dict(gateway.auth_config))
        assert name in image.attrs["RepoDigests"]
        engine.images.remove(name)


def test_nobody_without_the_rollouts_password_gets_anything(
    engine: docker.DockerClient, secured: Secured, pushed: Pushed
) -> None:
    gateway, other = gateway_of(secured), gateway_of(secured)
    with serving(gateway) as port:
        for path in ("/v2/", f"/v2/app/manifests/{pushed.digest}"):
            for who in (None, other):
                status, body, headers = ask(port, path, who)
                assert status == 401, path
                assert headers["WWW-Authenticate"].startswith("Basic")
                assert b"layers" not in body
        with pytest.raises(APIError, match=r"unauthorized|no basic auth|denied"):
            engine.images.pull(f"127.0.0.1:{port}/app@{pushed.digest}")


@pytest.mark.parametrize(
    "path",
    [
        "/v2/app-proxy/manifests/latest",
        "/v2/_catalog",
        "/v2/app/tags/list",
        "/v2/app/../app-proxy/manifests/latest",
        "/v2/app/blobs/uploads/",
        "/v3/app/manifests/latest",
        "/",
    ],
)
def test_nothing_is_given_but_the_images_of_the_rollout(secured: Secured, pushed: Pushed, path: str) -> None:
    assert pushed.repository == "app"
    gateway = gateway_of(secured)
    with serving(gateway) as port:
        assert ask(port, path, gateway)[0] == 404


def test_a_blob_can_be_asked_for_in_part(secured: Secured, pushed: Pushed) -> None:
    registry = open_registry(secured.settings(), None)
    layer = registry.image_manifest("app", pushed.digest).layers[0]
    gateway = gateway_of(secured, registry)
    with serving(gateway) as port:
        status, whole, headers = ask(port, f"/v2/app/blobs/{layer.digest}", gateway)
        assert (status, len(whole), int(headers["Content-Length"])) == (200, layer.size, layer.size)
        status, part, headers = ask(port, f"/v2/app/blobs/{layer.digest}", gateway, Range="bytes=10-19")
        assert (status, part) == (206, whole[10:20])
        assert headers["Content-Range"].startswith("bytes 10-19/")


def test_a_registry_that_is_away_is_told_in_the_engines_error(
    engine: docker.DockerClient, secured: Secured
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        nobody = Registry(f"127.0.0.1:{taken.getsockname()[1]}")
    gateway = gateway_of(secured, nobody)
    with serving(gateway) as port, pytest.raises((APIError, NotFound), match=r"502 The registry .* refused"):
        engine.images.pull(f"127.0.0.1:{port}/app@sha256:{'0' * 64}", auth_config=dict(gateway.auth_config))
