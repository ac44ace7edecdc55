"""The rows of bad input: for each, trees of settings files and what a user must see."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.leaks import canary

FIFO: Final = object()
DIRECTORY: Final = object()

BASE: Final = {
    "APP_NAME": "hello",
    "APP_SOURCE": "no/such/directory",
    "REGISTRY": "registry.invalid:5000",
    "HOSTS": "host.invalid",
}
"""Right for themselves, and so that nothing is ever built or reached; four lines."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Settings files, and what `config` and `deploy` say of them."""

    row: int
    name: str
    files: Mapping[str, object]
    """Content by name: text, bytes, FIFO or DIRECTORY."""
    said: tuple[str, ...] = ()
    """Parts of lines; none when the input is accepted."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What `config --json` shows of accepted input."""
    environ: Mapping[str, str] = field(default_factory=dict)
    profile: str = "dev"
    mode: int = 0o600
    secret: str = ""
    """The one secret of accepted input, byte-exact."""

    @property
    def id(self) -> str:
        """Row and name."""
        return f"{self.row}-{self.name}"

    def plant(self, directory: Path) -> None:
        """Put the files into a directory."""
        for name, content in self.files.items():
            path = directory / name
            if content is FIFO:
                os.mkfifo(path)
            elif content is DIRECTORY:
                path.mkdir()
            else:
                path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
                path.chmod(self.mode)


def dev(*lines: str, **values: str) -> str:
    """A profile's file: the base with some values changed, then further lines from line 5 on."""
    return "".join(
        f"{line}\n" for line in (*(f"{key}={value}" for key, value in (BASE | values).items()), *lines)
    )


def _only(row: int, name: str, content: str | bytes, *said: str) -> Tree:
    """A tree of `.env.dev` alone."""
    return Tree(row=row, name=name, files={".env.dev": content}, said=said)


def _local(row: int, name: str, content: str, *said: str) -> Tree:
    """A tree whose `.env.dev` is right and whose `.env.dev.local` may not be."""
    return Tree(row=row, name=name, files={".env.dev": dev(), ".env.dev.local": content}, said=said)


SECRET = canary("input")
PORT = "use a port 1–65535"  # noqa: RUF001
MEMORY = ".env.dev:5: MEMORY: not a memory size, use 700m; minimum 6m"
CPUS = ".env.dev:5: CPUS: use a number above 0, as 1.8"
REFUSED = ("/srv/../etc", "srv", "/", "/etc", "/proc/1", "/sys", "/dev/shm", "/boot", "/run", "/root/.ssh")
REFUSED_TOO = ("/var/lib/docker", "/var/lib/docker/volumes", "/var/run/docker.sock", "//etc", "/./etc/")

TREES: tuple[Tree, ...] = (
    _only(1, "twice", dev("HOSTS=other.invalid"), ".env.dev:5: HOSTS: already set on line 4"),
    Tree(
        row=2,
        name="byte-order-mark",
        files={".env.dev": b"\xef\xbb\xbf" + dev().encode()},
        values={"APP_NAME": "hello"},
    ),
    Tree(
        row=3,
        name="crlf",
        files={".env.dev": dev("MEMORY=700m").replace("\n", "\r\n")},
        values={"HOSTS": "host.invalid", "MEMORY": "700m"},
    ),
    _only(
        4, "latin-1", dev("", "APP_ENV_X=\xe4").encode("latin-1"), ".env.dev:6: APP_ENV_X: not UTF-8, line 6"
    ),
    _only(4, "utf-16", dev().encode("utf-16"), ".env.dev:1: not UTF-8 but UTF-16 as it seems, line 1"),
    _only(5, "no-equals", dev("MEMORY"), ".env.dev:5: MEMORY: expected KEY=value"),
    _only(6, "typo", dev("APP_PROT=80"), ".env.dev:5: APP_PROT: unknown APP_PROT; APP_PORT?"),
    Tree(
        row=6,
        name="typo-in-environment",
        files={".env.dev": dev()},
        environ={"JARSHIP_APP_PROT": "80"},
        said=("environment: JARSHIP_APP_PROT: unknown JARSHIP_APP_PROT; JARSHIP_APP_PORT?",),
    ),
    _only(
        7,
        "required-empty",
        dev(APP_NAME="", APP_SOURCE="", REGISTRY="", HOSTS=""),
        ".env.dev:1: APP_NAME: required",
        ".env.dev:2: APP_SOURCE: required",
        ".env.dev:3: REGISTRY: required",
        ".env.dev:4: HOSTS: required",
    ),
    _local(
        8,
        "unclosed-quote",
        f'APP_ENV_X="abc\nCPUS=0\nAPP_ENV_Y="b"\nSECRET_Z=\'{SECRET}\n',
        ".env.dev.local:1: APP_ENV_X: unclosed quote",
        ".env.dev.local:2: CPUS: use a number above 0",
        ".env.dev.local:4: SECRET_Z: unclosed quote",
    ),
    _local(9, "after-quote", f"SECRET_X='{SECRET}' b\n", ".env.dev.local:1: SECRET_X: unexpected text"),
    _only(
        10,
        "invalid-key",
        dev("A B=1", "MEMORY: 700m"),
        ".env.dev:5: invalid key",
        ".env.dev:6: MEMORY: invalid key",
    ),
    _only(
        11,
        "stray-quote",
        dev("'", "CPUS=0", "APP_ENV_X='y'"),
        ".env.dev:5: invalid key",
        ".env.dev:6: CPUS: use a number above 0",
    ),
    Tree(
        row=12,
        name="export",
        files={".env.dev": dev("export MEMORY=700m")},
        values={"MEMORY": "700m"},
    ),
    _only(12, "bare-export", dev("export"), ".env.dev:5: expected KEY=value"),
    _local(13, "hash", "SECRET_PW=pa #ss\n", ".env.dev.local:1: SECRET_PW: quote values containing #"),
    Tree(
        row=14,
        name="literal-in-quotes",
        files={
            ".env.dev": dev("APP_ENV_PW='a${B}$(id)`id`;'"),
            ".env.dev.local": f"SECRET_P='{SECRET}${{B}}'\n",
        },
        values={"APP_ENV_PW": "a${B}$(id)`id`;", "SECRET_P": "****"},
        environ={"B": "expanded"},
        secret=f"{SECRET}${{B}}",
    ),
    Tree(
        row=15,
        name="literal",
        files={".env.dev": dev("APP_ENV_A=${B}", "APP_ENV_B=${APP_ENV_A}")},
        values={"APP_ENV_A": "${B}", "APP_ENV_B": "${APP_ENV_A}"},
        environ={"B": "expanded"},
    ),
    _only(
        16,
        "two-lines",
        dev(APP_NAME='"hel\nlo"', HOSTS='"a\\nb"'),
        ".env.dev:1: APP_NAME: must be one line",
        ".env.dev:5: HOSTS: must be one line",
    ),
    _only(
        17,
        "control",
        dev("MEMORY=700m\0", "APP_ENV_X=\x1b[31m", 'CPUS="1\\a"'),
        ".env.dev:5: MEMORY: control character U+0000",
        ".env.dev:6: APP_ENV_X: control character U+001B",
        ".env.dev:7: CPUS: control character U+0007",
    ),
    _only(18, "large", dev() + "#" * 1_100_000, ".env.dev: larger than 256 KiB"),
    Tree(
        row=19,
        name="missing",
        files={".env.prod": dev(), ".env.stage": dev(), ".env.example": dev()},
        said=("no .env.dev; profiles: prod, stage",),
    ),
    Tree(
        row=19,
        name="directory",
        files={".env.dev": DIRECTORY, ".env.prod": dev()},
        said=("no .env.dev; profiles: prod", ".env.dev is a directory"),
    ),
    Tree(
        row=19,
        name="fifo",
        files={".env.dev": FIFO, ".env.prod": dev()},
        said=("no .env.dev; profiles: prod",),
    ),
    Tree(
        row=19,
        name="other-fifo",
        files={".env.dev": dev(), ".env.dev.local": FIFO},
        said=(".env.dev.local: is not a regular file",),
    ),
    Tree(
        row=20,
        name="readable",
        files={".env.dev": dev(), ".env": f"SECRET_X={SECRET}\n"},
        mode=0o644,
        said=("; chmod 600 .env",),
    ),
    Tree(
        row=21,
        name="path",
        files={".env.dev": dev(), ".env.prod": dev()},
        profile="../prod",
        said=("unknown profile '../prod'; profiles: dev, prod",),
    ),
    _only(
        22,
        "port",
        dev("APP_PORT=0", "CONTAINER_PORT=70000", HOSTS="h:80a,i:8_080", REGISTRY="r:\u0668\u0660"),
        f".env.dev:3: REGISTRY: {PORT}",
        f".env.dev:4: HOSTS[1]: {PORT}",
        f".env.dev:4: HOSTS[2]: {PORT}",
        f".env.dev:5: APP_PORT: {PORT}",
        f".env.dev:6: CONTAINER_PORT: {PORT}",
    ),
    *(
        _only(23, f"memory-{name}", dev(f"MEMORY={text}"), MEMORY)
        for name, text in (("bytes", "700"), ("negative", "-1m"), ("small", "4m"), ("empty", ""))
    ),
    _only(24, "cpus-comma", dev("CPUS=1,8"), CPUS),
    _only(24, "cpus-zero", dev("CPUS=0"), CPUS),
    _only(25, "ipv6", dev(HOSTS="::1:22"), ".env.dev:4: HOSTS[1]: ambiguous, write [::1]:22"),
    _only(
        26,
        "host-form",
        dev(HOSTS="a,user@,@h,h:,ssh://h"),
        ".env.dev:4: HOSTS[2]: use user@host:port",
        ".env.dev:4: HOSTS[3]: invalid user, use user@host:port",
        ".env.dev:4: HOSTS[4]: use user@host:port",
        ".env.dev:4: HOSTS[5]: use user@host:port",
    ),
    _only(27, "option", dev(HOSTS="-oProxyCommand=x"), ".env.dev:4: HOSTS[1]: invalid host"),
    _only(28, "same-host", dev(HOSTS="h,H:22"), ".env.dev:4: HOSTS[2]: listed twice"),
    _only(29, "empty-list", dev(HOSTS=""), ".env.dev:4: HOSTS: required, empty entry"),
    _only(
        29,
        "trailing-comma",
        dev("BALANCERS=b,", "MOUNTS=", HOSTS="a,"),
        ".env.dev:4: HOSTS[2]: empty entry",
        ".env.dev:5: BALANCERS[2]: empty entry",
        ".env.dev:6: MOUNTS[1]: empty entry",
    ),
    Tree(
        row=30,
        name="shell",
        files={
            ".env.dev": dev("IMAGE=team/$(id)", APP_NAME="a;b", HOSTS="`id`,a;b"),
            ".env.dev.local": f"SECRET_X=;$(id)`id`{SECRET}\n",
        },
        said=(
            ".env.dev:1: APP_NAME: use a-z, 0-9 and single -",
            ".env.dev:4: HOSTS[1]: invalid host",
            ".env.dev:4: HOSTS[2]: invalid host",
            ".env.dev:5: IMAGE: invalid repository",
        ),
    ),
    Tree(
        row=30,
        name="shell-in-secret",
        files={".env.dev": dev("APP_ENV_A=;$(id)`id`"), ".env.dev.local": f"SECRET_X=;$(id)`id`{SECRET}\n"},
        values={"APP_ENV_A": ";$(id)`id`", "SECRET_X": "****"},
        secret=f";$(id)`id`{SECRET}",
    ),
    *(
        _only(31, f"image-{name}", dev(f"IMAGE={text}"), ".env.dev:5: IMAGE: ", "must be lowercase")
        for name, text in (("upper-case", "Team/app"), ("slashes", "team//app"), ("long", "a" * 256))
    ),
    _only(
        32,
        "tag",
        dev("BASE_IMAGE=java:-x", "PROXY_IMAGE=nginx:1.0+5", f"IMAGE=app:{'a' * 129}"),
        ".env.dev:5: BASE_IMAGE: invalid tag",
        ".env.dev:6: PROXY_IMAGE: invalid tag",
        ".env.dev:7: IMAGE: invalid tag",
    ),
    _only(33, "scheme", dev(REGISTRY="http://r"), ".env.dev:3: REGISTRY: use host:port, no scheme"),
    _local(
        34,
        "placeholder",
        "SECRET_A=changeme\nSECRET_B='<your password>'\nAPP_GIT_TOKEN=<token>\n",
        ".env.dev.local:1: SECRET_A: still a placeholder",
        ".env.dev.local:2: SECRET_B: still a placeholder",
        ".env.dev.local:3: APP_GIT_TOKEN: still a placeholder",
    ),
    _only(
        35,
        "seconds",
        dev("HEALTH_TIMEOUT=nan", "STOP_TIMEOUT=-1", "DRAIN_TIMEOUT=1e9", "MONITOR=3601"),
        ".env.dev:5: HEALTH_TIMEOUT: use 1–3600 seconds",  # noqa: RUF001
        ".env.dev:6: STOP_TIMEOUT: use 1–3600 seconds",  # noqa: RUF001
        ".env.dev:7: DRAIN_TIMEOUT: use 0–3600 seconds",  # noqa: RUF001
        ".env.dev:8: MONITOR: use 0–3600 seconds",  # noqa: RUF001
    ),
    _only(36, "health-word", dev("HEALTH_PATH=up"), ".env.dev:5: HEALTH_PATH: must begin with /"),
    _only(36, "health-url", dev("HEALTH_PATH=http://h/up"), ".env.dev:5: HEALTH_PATH: must begin with /"),
    _only(
        37,
        "typographic",
        dev("IMAGE=te\u200bam", APP_NAME="\u201chello\u201d"),
        ".env.dev:1: APP_NAME: contains U+201C",
        ".env.dev:5: IMAGE: contains U+200B",
    ),
    _only(
        38,
        "mounts",
        dev("MOUNTS=" + ",".join(f"{path}:/x{number}" for number, path in enumerate(REFUSED + REFUSED_TOO))),
        *(
            f".env.dev:5: MOUNTS[{number}]: refused mount"
            for number, _ in enumerate(REFUSED + REFUSED_TOO, start=1)
        ),
    ),
)
