"""A registry as hosts see it that reach it only through this machine: a small HTTP server over a channel.

It gives what a pull asks for, of a few repositories, to those who know a password that is made for the one
rollout. What it gives it asks the registry for as everything here does: over TLS where that is spoken, by the
team's credentials, which so never leave this machine, through proxies, redirects and token services.
"""

import base64
import contextlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

import requests

from deploy.hosts.channel import ChannelSocket
from deploy.hosts.connection import Connection
from deploy.hosts.tunnel import Tunnel
from deploy.registry import Registry
from deploy.values.errors import BuildError
from deploy.values.reference import parse_reference
from deploy.values.settings import Settings

USER = "jarship"
IDLE_SECONDS = 90.0
"""How long a connection may say nothing; an engine opens another then."""
CHUNK = 65536
_PATH = re.compile(r"(?P<repository>[a-z0-9][a-z0-9._/-]*)/(?:manifests|blobs)/[A-Za-z0-9_:.-]+")
_ASKED = ("Accept", "Range")
_TOLD = ("Content-Type", "Content-Length", "Content-Range", "Docker-Content-Digest")


class Gateway:
    """What hosts may pull of a registry.

    Args:
        registry: where it is.
        repositories: the paths that may be asked for.
        port: the one on a host's loopback where it listens.
    """

    def __init__(self, registry: Registry, repositories: Collection[str], port: int) -> None:
        self.registry = registry
        self.port = port
        self._repositories = frozenset(repositories)
        self._password = secrets.token_urlsafe(24)

    @property
    def auth_config(self) -> Mapping[str, str]:
        """What an engine needs to be let in, as the Docker SDK's `auth_config`."""
        return {"username": USER, "password": self._password}

    def lets_in(self, authorization: str) -> bool:
        """Whether an Authorization header has the password."""
        wanted = base64.b64encode(f"{USER}:{self._password}".encode()).decode()
        return hmac.compare_digest(authorization.encode(), f"Basic {wanted}".encode())

    def repository(self, path: str) -> str:
        """The repository of a path below /v2/, as far as it may be asked for; empty for none."""
        found = _PATH.fullmatch(path)
        name = found["repository"] if found else ""
        return name if name in self._repositories else ""

    def serve(self, connection: ChannelSocket) -> None:
        """Answer what comes on a connection until it ends."""
        # The other side may go at any time, as an engine does that has what it wanted.
        with contextlib.suppress(OSError, EOFError):
            _Handler(connection, self)


def gateway_to(registry: Callable[[], Registry], settings: Settings, images: Iterable[str]) -> Gateway | None:
    """What hosts pull through, where the settings say so; None where they pull by themselves.

    Args:
        registry: opens the one that it leads to.
        settings: of the profile.
        images: references of what they may pull.
    """
    if settings.trust != "tunnel":
        return None
    paths = [parse_reference(image).path for image in images]
    return Gateway(registry(), paths, settings.registry_tunnel_port)


def open_gateway(connection: Connection, gateway: Gateway) -> Tunnel:
    """Have a host find a gateway on its loopback, until what this gives is closed.

    Raises:
        HostError: the port is taken there, or the SSH server forbids it.
    """
    return connection.listen(gateway.port, gateway.serve, key="REGISTRY_TUNNEL_PORT")


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def __init__(self, connection: ChannelSocket, gateway: Gateway) -> None:
        self._gateway = gateway
        socket: Any = connection
        super().__init__(socket, ("", 0), socket)

    def do_GET(self) -> None:
        """Answer with what the registry has."""
        self._relay()

    def do_HEAD(self) -> None:
        """Answer with what the registry would."""
        self._relay()

    def log_message(self, *_: object) -> None:
        """Say nothing: the engine tells what it does."""

    def _relay(self) -> None:
        if not self._gateway.lets_in(self.headers.get("Authorization", "")):
            self._refuse(401, "UNAUTHORIZED", "a password of the rollout is needed")
            return
        _, _, path = self.path.partition("/v2/")
        if self.path.rstrip("/") == "/v2":
            self._answer(200, {"Content-Type": "application/json"}, b"{}")
            return
        repository = self._gateway.repository(path)
        if not repository:
            self._refuse(404, "NAME_UNKNOWN", "not what this rollout pulls")
            return
        headers = {name: ", ".join(self.headers.get_all(name) or ()) for name in _ASKED}
        asked = {name: text for name, text in headers.items() if text}
        try:
            with self._gateway.registry.relay(self.command, path, repository, asked) as answer:
                self._pass_on(answer)
        except BuildError as error:
            self._refuse(502, "UNAVAILABLE", f"{error.what} {error.why}".strip())

    def _pass_on(self, answer: requests.Response) -> None:
        headers = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
        if "Content-Length" not in headers:
            self._answer(answer.status_code, headers, answer.content)
            return
        self._begin(answer.status_code, headers)
        if self.command == "HEAD":
            return
        left = int(headers["Content-Length"])
        # As it was stored, whatever encoding its header tells of.
        for part in answer.raw.stream(CHUNK, decode_content=False):
            self.wfile.write(part)
            left -= len(part)
        if left:
            self.close_connection = True  # The registry broke off, and so must this.

    def _refuse(self, status: int, code: str, message: str) -> None:
        text = " ".join(message.split())
        headers = {"Content-Type": "application/json"}
        if status == 401:
            headers["WWW-Authenticate"] = f'Basic realm="{USER}"'
        body = json.dumps({"errors": [{"code": code, "message": text}]}).encode()
        # Of an answer above 499 an engine shows the status line alone.
        self._answer(status, headers, body, text if status > 499 else "")

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, reason: str = "") -> None:
        self._begin(status, {**headers, "Content-Length": str(len(body))}, reason)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, status: int, headers: Mapping[str, str], reason: str = "") -> None:
        plain = reason.encode("ascii", "replace").decode()[:200]
        self.send_response(status, plain or None)
        for name, text in {**headers, "Docker-Distribution-Api-Version": "registry/2.0"}.items():
            self.send_header(name, text)
        self.end_headers()
