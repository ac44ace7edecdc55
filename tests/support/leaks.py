"""Looking for secrets where none may be: output, build directories, arguments of processes.

Tests take every secret they use from `canary`. All of them hold one needle, which is searched for as it is
(so it is found in URL-encoded and JSON text too: it has no character that these change) and in Base64 at each
alignment. Each run of pytest has its own, since arguments are those of the whole machine.
"""

import base64
import os
import re
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

NEEDLE = f"Qx7Canary{secrets.token_hex(6)}"
EVERY = 0.05
"""Seconds between two looks at the arguments of all processes."""

YOUNG = 5
"""Looks at a process that is new."""
ALL_EACH = 20
"""Looks after which every process is looked at again."""

DIRECTORIES = {"build", ".git", ".jarship"}
SUFFIXES = {".log", ".out", ".err", ".jsonl", ".xml"}
"""Files that are looked at wherever they lie."""


def canary(name: str) -> str:
    """A secret for a test: fit for a password, a token or an environment variable, awkward in a URL."""
    return f"{name}-{NEEDLE}+/%&="


def _base64_cores(text: str) -> Iterator[str]:
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + text.encode()).decode()
        core = encoded[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]
        yield core
        yield core.replace("+", "-").replace("/", "_")


_FORMS = re.compile("|".join(re.escape(form) for form in {NEEDLE, *_base64_cores(NEEDLE)}).encode())


def found(data: bytes | str, where: str) -> list[str]:
    """One sentence for each place in a text that holds the needle in any form."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return [
        f"{where}: …{raw[max(0, hit.start() - 60) : hit.end() + 20].decode('utf-8', 'replace')}…"
        for hit in _FORMS.finditer(raw)
    ]


class Arguments:
    """Looks at the arguments of every process of this machine, containers included, until told to stop."""

    def __init__(self, proc: Path = Path("/proc"), every: float = EVERY) -> None:
        self.leaks: set[str] = set()
        self.samples = 0
        self._looks: dict[str, int] = {}
        self._proc = proc
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="arguments", daemon=True)

    def __enter__(self) -> "Arguments":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._sample()
            self._stop.wait(self._every)
        self._sample()

    def _sample(self) -> None:
        """Look at the processes that are young, and from time to time at all of them.

        What a process is told stays as it is but for `exec`, soon after it began; to read all of them twenty
        times a second takes a good part of a core.
        """
        thorough = self.samples % ALL_EACH == 0
        self.samples += 1
        before, self._looks = self._looks, {}
        for name in os.listdir(self._proc):  # noqa: PTH208 - a third of the time of iterdir, twenty times a second
            if not name.isdecimal():
                continue
            looks = self._looks[name] = before.get(name, 0) + 1
            if thorough or looks <= YOUNG:
                self.leaks.update(found(_arguments(f"{self._proc}/{name}/cmdline"), "arguments of a process"))


def _arguments(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 1 << 20).replace(b"\0", b" ")
    except OSError:
        return b""
    finally:
        os.close(descriptor)


class Files:
    """Looks at what was written since the last look to places that may hold no secret."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, int]] = {}

    def look(self, roots: Iterable[Path]) -> list[str]:
        """The leaks in new and changed files below some directories."""
        return [leak for root in roots for path in _candidates(root) for leak in self._read(path)]

    def _read(self, path: Path) -> list[str]:
        try:
            status = path.stat()
            state = (status.st_mtime_ns, status.st_size)
            if self._seen.get(path) == state:
                return []
            self._seen[path] = state
            return found(path.read_bytes(), str(path))
        except OSError:
            return []  # gone again, or a socket


def _candidates(root: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in (".venv", ".nox", "node_modules")]
        inside = bool(DIRECTORIES.intersection(Path(directory).relative_to(root.parent).parts))
        for name in files:
            path = Path(directory, name)
            if (inside or path.suffix in SUFFIXES) and path.is_file():
                yield path


@contextmanager
def outputs() -> Iterator[list[str]]:
    """Collect what `invoke` and `invokew` print while tests capture it from them."""
    leaks: list[str] = []
    original = subprocess.Popen.communicate

    def communicate(process: "subprocess.Popen[Any]", *args: Any, **options: Any) -> tuple[Any, Any]:
        answer = original(process, *args, **options)
        command = subprocess.list2cmdline(process.args if isinstance(process.args, list | tuple) else ())
        if "invoke" in command:
            for name, data in zip(("standard output", "standard error"), answer, strict=True):
                leaks.extend(found(data or b"", f"{name} of {command[:60]}"))
        return answer

    subprocess.Popen.communicate = communicate  # type: ignore[method-assign, assignment]
    try:
        yield leaks
    finally:
        subprocess.Popen.communicate = original  # type: ignore[method-assign]


@contextmanager
def watching(files: Files, roots: Callable[[], Iterable[Path]]) -> Iterator[list[str]]:
    """Watch arguments, output of tasks and files; the leaks are in the list when the context has ended."""
    leaks: list[str] = []
    with outputs() as printed, Arguments() as arguments:
        yield leaks
    leaks += [*printed, *sorted(arguments.leaks), *files.look(roots())]
