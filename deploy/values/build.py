"""A build: what `jar`, `image`, `tag` and `push` hand to each other, and `deploy` takes up."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Source(_Frozen):
    """Where the jar came from, as it lay when the jar was built."""

    path: str
    """The project's directory, relative to the repository where that is possible."""
    commit: str = ""
    """Full commit id; empty without git."""
    committed_at: str = ""
    """The commit's date, ISO 8601 in UTC; empty without git."""
    author: str = ""
    subject: str = ""
    dirty: bool = False
    content_hash: str
    """SHA-256 over tracked and untracked-unignored files, submodules included, hexadecimal."""


class Jar(_Frozen):
    """The one executable Spring Boot jar of a project."""

    path: str
    sha256: str
    size: int
    """Bytes."""
    version: str
    """Implementation-Version of its manifest; empty when it has none."""
    boot_version: str
    start_class: str
    layers: tuple[str, ...]
    """Names in its layers index, in order; empty without one."""
    actuator: bool
    """Whether it carries spring-boot-actuator."""


class Image(_Frozen):
    """An image of the local engine."""

    id: str
    diff_ids: tuple[str, ...]
    platform: str
    """`os/architecture`, such as `linux/arm64`."""
    base: str
    """The base image's reference as it was given."""


class Pushed(_Frozen):
    """What the registry was seen to hold."""

    registry: str
    """`host:port` as this machine knows it."""
    repository: str
    """The repository's path in it."""
    tag: str
    digest: str
    proxy_repository: str
    proxy_digest: str


class Build(_Frozen):
    """The content of `build/build.json`; each step adds its part. Holds no settings and no secret."""

    format: Literal[1] = 1
    app: str
    source: Source
    jar: Jar
    image: Image | None = None
    others: tuple[Image, ...] = ()
    """The same for the other platforms of a fleet that has several."""
    tag: str = ""
    tag_given: bool = False
    """Whether the user chose the tag; a computed one may grow a suffix at the push."""
    pushed: Pushed | None = None

    @property
    def images(self) -> tuple[Image, ...]:
        """One for each platform; none before `image`."""
        return (self.image, *self.others) if self.image else ()
