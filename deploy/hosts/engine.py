"""The Docker SDK over a host's SSH connection.

Each HTTP connection of the SDK is a session channel that runs `docker system dial-stdio`, which hands its
stdin and stdout to the engine's socket: 2 to 9 ms a call, where a shelled-out `docker` takes 50 to 80. A
channel is kept and used again; starting one costs the host a process of 23 MB, so there are at most two.
"""

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.client import BadStatusLine, RemoteDisconnected
from typing import Any, NoReturn

import docker
import requests
import urllib3
from docker.auth import AuthConfig
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.utils.proxy import ProxyConfig

from deploy import attached
from deploy.hosts.channel import ChannelSocket
from deploy.hosts.connection import Connection
from deploy.hosts.pool import Adapter
from deploy.values.errors import HostError

CHANNELS = 2
PULL_SILENCE = 90.0
"""Seconds without any progress after which a pull has failed."""
_LIBRARY_ERRORS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
)


class EngineSilent(HostError):
    """The engine accepted a call and did not answer in time, while the link is up."""


def through(connection: Connection, *, timeout: float = 60) -> docker.DockerClient:
    """Give a Docker client for the host's engine; its calls go through `connection`.

    The client ignores this machine's Docker configuration, and sends only credentials given with a call.

    Args:
        connection: stays open when the client is closed.
        timeout: seconds of silence after which a call fails.

    Raises:
        HostError: the engine cannot be used. Every call of the client raises it when the link or the engine
            fails; `docker.errors.APIError` stays the engine's own answer.
    """
    return _Client(_Engine(connection, timeout))


class _Client(docker.DockerClient):
    def __init__(self, api: "_Engine") -> None:
        self.api = api


class _Engine(docker.APIClient):
    """The SDK's low-level client; every failure of the way to the engine is a HostError."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        # A version that is given costs no call; the right one is asked for when the adapter is in place.
        super().__init__(base_url="tcp://localhost:1", version=MINIMUM_DOCKER_API_VERSION)
        self.timeout = timeout  # type: ignore[assignment]  # requests takes any number of seconds
        # Proxies and credentials of this machine's ~/.docker/config.json are not for the host.
        self._proxy_configs = ProxyConfig()
        self._auth_configs = AuthConfig({})
        self.trust_env = False
        self._custom_adapter = Adapter(connection, CHANNELS, functools.partial(unusable, connection))
        self.adapters.clear()
        self.mount("http+docker://", self._custom_adapter)
        self.base_url = "http+docker://ssh"
        self._version = str(self.version(api_version=False)["ApiVersion"])

    def aside(self) -> AbstractContextManager[None]:
        """Do without one of the two channels for a while, so that a session of another kind has its place."""
        return self._custom_adapter.pool.aside()

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        try:
            return super().send(request, **options)
        except _LIBRARY_ERRORS as error:
            self._fail(error)

    def _post(self, url: str, **options: Any) -> requests.Response:
        if url.endswith("/images/create"):
            # The SDK waits for a pull for ever, and the engine for a registry that accepts and says nothing.
            options["timeout"] = PULL_SILENCE
        answer: requests.Response = super()._post(url, **options)  # type: ignore[misc]
        return answer

    def _fail(self, error: Exception) -> NoReturn:
        host = self._connection.host
        if not self._connection.alive():
            raise self._connection.broken() from error
        if said := _greeting(error):
            raise HostError(
                f"Docker on {host.name} cannot be spoken to.",
                why=f"A start file of {self._connection.user}'s shell (~/.bashrc) prints text: {said!r}.",
                advice=_look(self._connection, "begin ~/.bashrc with: case $- in *i*) ;; *) return ;; esac"),
                host=host.name,
            ) from error
        kind: type[HostError] = HostError
        what = f"Docker on {host.name} closed the connection."
        if isinstance(error, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError | TimeoutError):
            kind, what = EngineSilent, f"Docker on {host.name} did not answer in time."
        advice = _look(self._connection, "systemctl status docker")
        raise kind(what, why=_reason(error), advice=advice, host=host.name) from error

    def _stream_helper(self, response: requests.Response, decode: bool = False) -> Iterator[Any]:
        parts: Iterator[Any] = super()._stream_helper(response, decode)  # type: ignore[misc]
        return self._guarded(response, parts)

    def _multiplexed_response_stream_helper(self, response: requests.Response) -> Iterator[bytes]:
        parts: Iterator[bytes] = super()._multiplexed_response_stream_helper(response)  # type: ignore[misc]
        return self._guarded(response, parts)

    def _guarded(self, response: requests.Response, parts: Iterator[Any]) -> Iterator[Any]:
        """The parts of a stream, whose failure is a HostError and whose end by this side is its end."""
        buffer = attached.buffer(response)
        try:
            yield from parts
        except _LIBRARY_ERRORS as error:
            if buffer is None or not buffer.raw.sock.cut:
                self._fail(error)

    def _get_raw_response_socket(self, response: requests.Response) -> ChannelSocket:
        self._raise_for_status(response)  # type: ignore[attr-defined]
        socket: ChannelSocket = attached.buffer(response).raw.sock
        return socket

    def _read_from_socket(
        self, response: requests.Response, stream: bool, tty: bool = True, demux: bool = False
    ) -> Any:
        """Read an exec's or attach's output."""
        self._raise_for_status(response)  # type: ignore[attr-defined]
        return attached.output(self._frames(response, tty), stream=stream, demux=demux)

    def _frames(self, response: requests.Response, tty: bool) -> Iterator[attached.Frame]:
        try:
            yield from attached.frames(response, tty=tty)
        except TimeoutError as error:
            self._fail(error)
        finally:
            response.close()
            # The channel went with the stream. The next call is near: an exec is asked for its exit code.
            self._custom_adapter.pool.warm()


def unusable(connection: Connection, code: int, stderr: str) -> HostError:
    """Translate the end of a `dial-stdio` that gave nothing."""
    host, user = connection.host.name, connection.user
    text = stderr.lower()
    if not connection.alive():
        return connection.broken()
    if "permission denied" in text:
        return HostError(
            f"{user} may not use Docker on {host}.",
            why=f"{user} is not in the docker group on {host}: {stderr}",
            advice=_look(connection, f"sudo usermod -aG docker {user}"),
            host=host,
        )
    if code == 127 or "command not found" in text:
        return HostError(
            f"Docker is not installed on {host}.",
            why=stderr or "there is no command docker",
            advice="Install Docker Engine there: sudo apt-get install docker.io docker-cli, "
            "or https://docs.docker.com/engine/install/",
            host=host,
        )
    if "dial-stdio" in text:
        return HostError(
            f"The docker command on {host} is too old.",
            why=f"{stderr} (dial-stdio is there since 18.09)",
            advice="Upgrade Docker on the host.",
            host=host,
        )
    return HostError(
        f"Docker is not running on {host}.",
        why=stderr or f"docker system dial-stdio ended with code {code} and gave nothing",
        advice=_look(connection, "sudo systemctl start docker"),
        host=host,
    )


def _look(connection: Connection, command: str) -> str:
    return f"On {connection.host.name}: {command}"


def _greeting(error: BaseException) -> str:
    """What came instead of an answer's first line."""
    cause = _cause(error)
    if isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected):
        return str(cause).strip()
    return ""


def _reason(error: BaseException) -> str:
    cause = _cause(error)
    return f"{type(cause).__name__}: {cause}"


def _cause(error: BaseException) -> BaseException:
    """The innermost cause: requests and urllib3 wrap it several times."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return error
