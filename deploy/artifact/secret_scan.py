"""Secrets that would leave with an image: values of the settings' secrets, and private keys."""

import hashlib
import io
import json
import re
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient
from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.artifact.transfer import engine_failures
from deploy.files import write_atomically
from deploy.values.build import Build
from deploy.values.errors import BuildError
from deploy.values.events import Stream
from deploy.values.keys import APP_ENV, SECRET, is_secret
from deploy.values.settings import Settings

STEP = "push"
RECORD = Path("build/secret-scan.json")
"""The last jar that was found clean, below the root."""
SHORTEST = 4
"""Characters; what is shorter is everywhere."""
ALONE = 8
"""Characters; what is shorter counts only where it stands alone in a text of the application's own."""
IN_LIBRARIES = 12
"""Characters; what is shorter may well be a word of somebody else's library."""
BINARY = (".class", ".png", ".jpg", ".gif", ".ico", ".woff", ".woff2", ".so", ".dll")
_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:\s|\\[nr])+(?:[A-Za-z0-9+/=,:. -]|\s|\\[nr]){64,}"
)
PRIVATE_KEY = "a private key"

Named = Mapping[str, str]
"""Secrets by the keys that they are set by."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A secret where it must not be."""

    place: str
    """A file in the jar, or a part of the image."""
    what: str
    """The key that sets it, or `a private key`; never its value."""

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


class _Record(BaseModel):
    """What was found clean, and of which secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jar: str = ""
    """SHA-256 of the last jar in which nothing was found; empty when something was."""
    image: str = ""
    """Id of the last image by a Dockerfile of the project's own in whose layers nothing was found."""
    libraries: tuple[str, ...] = ()
    """Name, CRC-32 and size of each of its libraries without findings."""
    salt: str = ""
    secrets: str = ""
    """Slow hash of what was looked for."""


@engine_failures(STEP)
def refuse_secrets(
    build: Build, settings: Settings, root: Path, client: DockerClient, stream: Stream
) -> None:
    """Refuse to push an image that gives secrets away: jar, configuration and history are looked at.

    So are the layers that a project's own Dockerfile made; in others there is nothing but the jar's files.

    A jar that was found clean of the same secrets is not read again, nor are its libraries in another jar.

    Args:
        build: with jar and image.
        root: the repository's root, to which the jar's path is relative.

    Raises:
        BuildError: names each file and the key of the secret in it, unless IMAGE_SECRETS=warn.
    """
    named = named_secrets(settings)
    findings = [*_jar(build, root, named, stream), *_image(build, client, named)]
    if settings.dockerfile:
        findings += _own_layers(build, root, client, named)
    findings = list(dict.fromkeys(findings))  # images for several platforms have the same
    if not findings:
        return
    if settings.image_secrets == "warn":
        for finding in findings:
            stream.warning(f"The image holds a secret: {finding}", step=STEP)
        return
    raise BuildError(
        "The image would give secrets away; nothing was pushed.",
        details=[str(finding) for finding in findings],
        advice="Take them out of the source (and change them: they are in its history), and hand them to the "
        "container as SECRET_…. Where the registry may know them: IMAGE_SECRETS=warn.",
        step=STEP,
    )


def named_secrets(settings: Settings) -> dict[str, str]:
    """Every secret of the settings that is long enough to be looked for, by its key."""
    named = {SECRET + name: value.get_secret_value() for name, value in settings.secrets.items()}
    named |= {APP_ENV + name: value for name, value in settings.app_env.items() if is_secret(name)}
    for key, value in (
        ("APP_GIT_TOKEN", settings.app_git_token),
        ("REGISTRY_PASSWORD", settings.registry_password),
    ):
        named |= {key: value.get_secret_value()} if value else {}
    return {key: value.strip() for key, value in named.items() if len(value.strip()) >= SHORTEST}


def scan_jar(
    jar: Path, named: Named, clean: frozenset[str] = frozenset()
) -> tuple[list[Finding], frozenset[str]]:
    """Look into every file of a jar, those of its libraries included.

    Args:
        clean: libraries that need not be read, as an earlier call gave them.

    Returns:
        What was found, and the libraries that nothing was found in.

    Raises:
        OSError, zipfile.BadZipFile: it cannot be read.
    """
    findings: list[Finding] = []
    without: set[str] = set()
    with zipfile.ZipFile(jar) as archive:
        for entry in archive.infolist():
            is_library = entry.filename.endswith(".jar")
            known = f"{entry.filename} {entry.CRC:08x} {entry.file_size}"
            if not entry.is_dir() and not (is_library and known in clean):
                found = list((_library if is_library else _file)(entry.filename, archive.read(entry), named))
                findings += found
                if not is_library or found:
                    continue
            if is_library:
                without.add(known)
    return findings, frozenset(without)


def scan_text(place: str, content: bytes, named: Named, *, library: bool = False) -> Iterator[Finding]:
    """Look into one file."""
    is_text = not place.endswith(BINARY)
    for key, value in named.items():
        word = value.encode()
        if len(value) >= (IN_LIBRARIES if library else ALONE):
            found = word in content
        else:
            found = is_text and not library and _stands_alone(word, content)
        if found:
            yield Finding(place=place, what=f"the value of {key}")
    if is_text and holds_private_key(content):
        yield Finding(place=place, what=PRIVATE_KEY)


def holds_private_key(content: bytes) -> bool:
    """Whether a text holds a private key, in PEM or OpenSSH's form."""
    return b"PRIVATE KEY-----" in content and _KEY.search(content) is not None


def _stands_alone(word: bytes, content: bytes) -> bool:
    return word in content and bool(re.search(rb"(?<![\w-])" + re.escape(word) + rb"(?![\w-])", content))


def _file(name: str, content: bytes, named: Named) -> Iterator[Finding]:
    return scan_text(name, content, named)


def _library(name: str, content: bytes, named: Named) -> Iterator[Finding]:
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                place = f"{name}!/{entry.filename}"
                yield from scan_text(place, archive.read(entry), named, library=True)


def _jar(build: Build, root: Path, named: Named, stream: Stream) -> list[Finding]:
    jar = root / build.jar.path
    record = _read_record(root)
    same = record.secrets == _digest(named, record.salt)
    if same and record.jar == build.jar.sha256:
        return []
    try:
        findings, clean = scan_jar(jar, named, frozenset(record.libraries) if same else frozenset())
    except (OSError, zipfile.BadZipFile) as error:
        stream.warning(f"The jar was not searched for secrets: {error}", step=STEP)
        return []
    salt = record.salt if same else secrets.token_hex(16)
    kept = _Record(
        image=record.image if same else "",
        jar="" if findings else build.jar.sha256,
        libraries=tuple(sorted(clean)),
        salt=salt,
        secrets=record.secrets if same else _digest(named, salt),
    )
    write_atomically(root / RECORD, kept.model_dump_json(indent=2) + "\n")
    return findings


def _image(build: Build, client: DockerClient, named: Named) -> Iterator[Finding]:
    api: Any = client.api  # its calls have no types
    for image in build.images:
        seen = api.inspect_image(image.id)
        yield from scan_text("the image's configuration", json.dumps(seen["Config"]).encode(), named)
        steps = "\n".join(str(step.get("CreatedBy", "")) for step in api.history(image.id))
        yield from scan_text("the image's history", steps.encode(), named)


def _own_layers(build: Build, root: Path, client: DockerClient, named: Named) -> list[Finding]:
    """Look into what a project's own Dockerfile put into the image, unless that was found clean before."""
    from deploy.artifact.layer_scan import scan_layers

    record = _read_record(root)  # `_jar` has seen to it that it is of these secrets
    ids = " ".join(image.id for image in build.images)
    if record.image == ids and record.secrets == _digest(named, record.salt):
        return []
    findings = [finding for image in build.images for finding in scan_layers(client, image, named)]
    kept = record.model_copy(update={"image": "" if findings else ids})
    write_atomically(root / RECORD, kept.model_dump_json(indent=2) + "\n")
    return findings


def _read_record(root: Path) -> _Record:
    """What is remembered; nothing when it cannot be read: then all is looked at."""
    try:
        return _Record.model_validate_json((root / RECORD).read_bytes())
    except (OSError, ValidationError):
        return _Record()


def _digest(named: Named, salt: str) -> str:
    """Which secrets were looked for; slow by design: a short secret is guessed from a fast hash."""
    text = json.dumps(dict(named), sort_keys=True).encode()
    return hashlib.scrypt(text, salt=salt.encode(), n=2**14, r=8, p=1, dklen=32).hex()
