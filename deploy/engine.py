"""A Docker client: of this machine, or through a given channel."""

import getpass
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import docker
import requests
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from deploy import attached
from deploy.values.errors import BuildError
from deploy.values.events import Stream

DEFAULT = "unix:///var/run/docker.sock"
TIMEOUT = 120
"""Seconds an answer may take; streams of a build or a push are read event by event, each within this time."""

Cause = Literal["absent", "denied", "silent", "settings"]


class EngineError(BuildError):
    """This machine's Docker Engine does not answer.

    `cause` is `absent` (nobody listens at the place), `denied` (the socket's permissions), `silent` (no
    usable answer) or `settings` (DOCKER_HOST or DOCKER_CONTEXT name no engine).
    """

    def __init__(self, what: str, *, cause: Cause, why: str = "", advice: str = "") -> None:
        super().__init__(what, why=why, advice=advice)
        self.cause = cause


def address(environ: Mapping[str, str] = os.environ) -> str:
    """Where the Docker command line would look: DOCKER_HOST, else DOCKER_CONTEXT, else the context in use.

    Raises:
        EngineError: the context does not exist. (The SDK, 7.2, would go to the default socket unasked.)
    """
    return _place(environ)[0]


def is_local(place: str) -> bool:
    """Whether an engine is on this machine, so that what it publishes on 127.0.0.1 is reached from here."""
    url = urlsplit(place)
    if url.scheme in ("unix", "http+unix", "npipe"):
        return True
    return url.scheme in ("tcp", "http", "https") and url.hostname in ("localhost", "127.0.0.1", "::1")


def local(stream: Stream, environ: Mapping[str, str] = os.environ) -> docker.DockerClient:
    """This machine's engine, as the Docker command line would find it; it has answered when this returns.

    Raises:
        EngineError: it does not answer, with what to do about it.
    """
    where, tls = _place(environ)
    try:
        client = _Client(where, tls)
    except (DockerException, OSError) as error:
        raise _translated(error, where) from error
    if tuple(int(part) for part in client.api.api_version.split(".")) < (1, 41):
        stream.warning(
            f"The Docker Engine at {where} is older than 20.10, the oldest one this was tried with."
        )
    return client


class _Client(docker.DockerClient):
    def __init__(self, where: str, tls: TLSConfig | None) -> None:
        by_ssh = where.startswith("ssh://")
        self.api = _Engine(base_url=where, tls=tls or False, timeout=TIMEOUT, use_ssh_client=by_ssh)


class _Engine(docker.APIClient):
    def _read_from_socket(
        self, response: requests.Response, stream: bool, tty: bool = True, demux: bool = False
    ) -> Any:
        """Read an exec's or attach's output, however long it is silent."""
        if self.base_url.startswith("http+docker://ssh"):
            return super()._read_from_socket(response, stream, tty=tty, demux=demux)  # type: ignore[misc]
        self._raise_for_status(response)  # type: ignore[attr-defined]
        attached.buffer(response).raw._sock.settimeout(None)
        return attached.output(self._frames(response, tty), stream=stream, demux=demux)

    def _frames(self, response: requests.Response, tty: bool) -> Iterator[attached.Frame]:
        try:
            yield from attached.frames(response, tty=tty)
        finally:
            response.close()


def _place(environ: Mapping[str, str]) -> tuple[str, TLSConfig | None]:
    if environ.get("DOCKER_HOST"):
        given = kwargs_from_env(environment=dict(environ))
        return given.get("base_url") or DEFAULT, given.get("tls")
    name = environ.get("DOCKER_CONTEXT") or None
    context = ContextAPI.get_context(name)
    if context is None:
        raise EngineError(
            f"Docker's context {name or 'now in use'} does not exist.",
            cause="settings",
            advice="List them with `docker context ls`, choose one with `docker context use NAME`.",
        )
    return context.Host or DEFAULT, context.TLSConfig


def _translated(error: Exception, where: str) -> EngineError:
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return _denied(where)
    if any(isinstance(cause, FileNotFoundError | ConnectionRefusedError) for cause in causes):
        return EngineError(
            f"No Docker Engine answers at {where}.",
            cause="absent",
            why=str(causes[-1]),
            advice="Start it (`sudo systemctl start docker`), or point DOCKER_HOST at one that runs.",
        )
    return EngineError(
        f"The Docker Engine at {where} gives no usable answer.",
        cause="silent",
        why=str(causes[-1]),
        advice="See whether `docker version` works, and what DOCKER_HOST and `docker context ls` say.",
    )


def _denied(where: str) -> EngineError:
    user = getpass.getuser()
    group = _group(urlsplit(where).path) or "docker"
    return EngineError(
        f"Permission denied at {where}: {user} is not in the group {group}, or was not yet at login.",
        cause="denied",
        advice=f"sudo usermod -aG {group} {user}   # then log in again (a CI agent: restart it)",
    )


def _group(socket: str) -> str:
    """The group that may use a socket; empty when that is root's, or nobody can tell."""
    import grp

    try:
        found = Path(socket).stat()
        return grp.getgrgid(found.st_gid).gr_name if found.st_gid and found.st_mode & stat.S_IWGRP else ""
    except (OSError, KeyError):
        return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and all that it came from; requests hides them in `args`, the SDK in `__cause__`."""
    yield error
    for inner in (*error.args, error.__cause__ or error.__context__):
        if isinstance(inner, BaseException):
            yield from _causes(inner)
