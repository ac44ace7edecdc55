"""Real git repositories, and git's own HTTP server behind a password."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_IDENTITY = {
    "GIT_AUTHOR_NAME": "A Tester",
    "GIT_AUTHOR_EMAIL": "tester@example.com",
    "GIT_COMMITTER_NAME": "A Tester",
    "GIT_COMMITTER_EMAIL": "tester@example.com",
    "GIT_AUTHOR_DATE": "2026-03-01T12:00:00+02:00",
    "GIT_COMMITTER_DATE": "2026-03-01T12:00:00+02:00",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints, with an identity and dates of its own and nobody's configuration."""
    result = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", *arguments],
        cwd=folder,
        env={**os.environ, **_IDENTITY},
        check=True,
        text=True,
        capture_output=True,
    )
    return result.stdout.strip()


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a directory."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A bare repository, and a work tree that commits to it."""

    bare: Path
    work: Path

    def commit(
        self, files: Mapping[str, str], *, submodules: Mapping[str, tuple[str, str]] | None = None
    ) -> str:
        """Commit files and submodules (path: URL and commit), push, and return the commit."""
        write_files(self.work, files)
        if submodules:
            lines = (
                f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'
                for path, (url, _) in submodules.items()
            )
            (self.work / ".gitmodules").write_text("".join(lines))
        git(self.work, "add", "--all", "--", ":/", *(f":!{path}" for path in submodules or {}))
        for path, (_, commit) in (submodules or {}).items():
            git(self.work, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        git(self.work, "commit", "--quiet", "--allow-empty", "--message", "A change\n\nWith a body")
        self.push("HEAD")
        return git(self.work, "rev-parse", "HEAD")

    def push(self, *refs: str) -> None:
        """Push, by force."""
        git(self.work, "push", "--quiet", "--force", "origin", *refs)


def make_repository(root: Path, name: str) -> Repository:
    """An empty bare repository `name`.git in a directory, its default branch main."""
    bare, work = root / f"{name}.git", root / "work" / name
    bare.mkdir(parents=True)
    work.mkdir(parents=True)
    git(bare, "init", "--quiet", "--bare")
    git(work, "init", "--quiet")
    git(work, "remote", "add", "origin", f"../../{name}.git")  # relative: the whole may be copied
    return Repository(bare=bare, work=work)


@dataclass(frozen=True, kw_only=True)
class GitServer:
    """A running server."""

    url: str
    """`http://127.0.0.1:PORT`"""
    credentials: list[str] = field(default_factory=list)
    """`user:password` of every request that came with one."""
    paths: list[str] = field(default_factory=list)
    """Path of every request."""


@contextmanager
def serving(root: Path, *, user: str | None = None, password: str = "") -> Iterator[GitServer]:
    """Serve the bare repositories of a directory by `git http-backend`; with a user: to that one only."""

    class Handler(_Handler):
        directory = root
        wanted = None if user is None else f"{user}:{password}"

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.seen = GitServer(url=f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Handler.seen
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    directory: Path
    wanted: str | None
    seen: GitServer

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            self._answer(b"".join(self._chunks()))
        else:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def log_message(self, format: str, *args: object) -> None: ...

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        self.seen.paths.append(path)
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        credentials = base64.b64decode(given).decode() if scheme == "Basic" else ""
        if credentials:
            self.seen.credentials.append(credentials)
        if self.wanted is not None and credentials != self.wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._backend(path, query, body)

    def _backend(self, path: str, query: str, body: bytes) -> None:
        result = subprocess.run(
            ["git", "http-backend"],
            input=body,
            env={
                **os.environ,
                "GIT_PROJECT_ROOT": str(self.directory),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_ADDR": "127.0.0.1",
            },
            capture_output=True,
            check=True,
        )
        head, _, content = result.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
