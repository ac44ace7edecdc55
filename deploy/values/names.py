"""Names as settings write them: the application, profiles, images, git, choices."""

import re
from collections.abc import Callable

from deploy.values.reference import Reference, parse_reference

_APP_NAME = re.compile(r"[a-z](?:-?[a-z0-9]){1,39}")
_PROFILE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_RESERVED = ("example", "local")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_GIT_HTTP = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/%+-]+")
_GIT_SSH = re.compile(
    r"ssh://(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?/[\w.~/+-]+"
)
_GIT_SCP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[\w~/][\w.~/+-]*")
_GIT_FILE = re.compile(r"file:///[\w.~/ +-]+")
_GIT_REF = re.compile(r"[\w.@/+#=-]{1,250}", re.ASCII)
_PLATFORM = re.compile(r"linux/(?:amd64|arm64(?:/v8)?|arm/v[5-7]|386|ppc64le|s390x|riscv64)")
_RUN_AS = re.compile(r"[1-9][0-9]{0,9}(?::[0-9]{1,10})?")
_HEALTH_PATH = re.compile(r"/[A-Za-z0-9._~!&()*+,=:@%/?-]{0,1023}")
_PATH_FORM = "must be lowercase, as team/app, at most 255 characters"
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+=|/\\-]{0,254}")


def parse_app_name(text: str) -> str:
    """The application's name, fit for containers, networks, files and image paths alike.

    Raises:
        ValueError: it does not fit.
    """
    if not _APP_NAME.fullmatch(text) or len(text) > 40:
        raise ValueError("use a-z, 0-9 and single -, beginning with a letter, 2 to 40 characters")
    return text


def is_profile(text: str) -> bool:
    """Whether a profile may have this name; `.env.example` and `.env.local` are no profiles."""
    return bool(_PROFILE.fullmatch(text)) and text not in _RESERVED


def is_variable(text: str) -> bool:
    """Whether this can be the name of an environment variable."""
    return bool(_VARIABLE.fullmatch(text))


def parse_image_path(text: str) -> str:
    """A repository's path in the registry, without registry and tag.

    Raises:
        ValueError: it does not fit the grammar, or there is more than a path.
    """
    reference = _reference(text)
    if len(text) > 255 - len("-proxy"):  # beside it lies the proxy's image
        raise ValueError(f"invalid repository, {_PATH_FORM}")
    if reference.registry or reference.tag or reference.digest:
        raise ValueError(
            "use the path alone, as team/app; the registry belongs in REGISTRY, tags are computed"
        )
    return text


def parse_image(text: str) -> str:
    """An image reference, with or without registry, tag and digest.

    Raises:
        ValueError: it does not fit the grammar.
    """
    _reference(text)
    return text


def _reference(text: str) -> Reference:
    try:
        return parse_reference(text)
    except ValueError as error:
        form = f"; {_PATH_FORM}" if "repository" in str(error) else ""
        raise ValueError(f"{error}{form}") from None


def parse_git_url(text: str) -> str:
    """The URL of a git repository, by https, http, ssh or file, without credentials in it.

    Raises:
        ValueError: no such URL. The message never quotes it, for it may hold a password.
    """
    if re.match(r"https?://[^/]*@", text):
        raise ValueError("no user or password in the URL; write APP_GIT_USER and APP_GIT_TOKEN")
    if ".." in text.split("/") or not any(
        form.fullmatch(text) for form in (_GIT_HTTP, _GIT_SSH, _GIT_SCP, _GIT_FILE)
    ):
        raise ValueError("use https://host/path.git, ssh://user@host/path.git or user@host:path.git")
    return text


def parse_git_ref(text: str) -> str:
    """A branch, tag or commit, by the rules of git-check-ref-format.

    Raises:
        ValueError: git would not take it.
    """
    if (
        not _GIT_REF.fullmatch(text)
        or text.startswith(("-", "/", "."))
        or text.endswith(("/", ".", ".lock"))
        or any(part in text for part in ("..", "//", "/.", "@{", ".lock/"))
        or text == "@"
    ):
        raise ValueError("use a branch, a tag or a commit, as main")
    return text


def parse_platforms(text: str) -> tuple[str, ...]:
    """Platforms as Docker writes them, comma separated; each once.

    Raises:
        ValueError: one that no host of ours can have, or two of one architecture.
    """
    platforms = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(map(_PLATFORM.fullmatch, platforms)):
        raise ValueError("use platforms as linux/amd64 or linux/amd64,linux/arm64")
    if len({platform.split("/")[1] for platform in platforms}) < len(platforms):
        raise ValueError("use one platform of an architecture")
    return platforms


def parse_run_as(text: str) -> str:
    """Numeric `uid[:gid]` that the application runs as; never root.

    Raises:
        ValueError: a name, or root.
    """
    if not _RUN_AS.fullmatch(text) or any(int(part) > 2**31 - 1 for part in text.split(":")):
        raise ValueError("use uid or uid:gid as numbers, not root, as 10001:10001")
    return text


def parse_health_path(text: str) -> str:
    """A path on the application, with or without a query.

    Raises:
        ValueError: no path.
    """
    if not text.startswith("/"):
        raise ValueError("must begin with /, as /actuator/health")
    if not _HEALTH_PATH.fullmatch(text):
        raise ValueError("must begin with / and hold only what a URL's path may, spaces as %20")
    return text


def parse_login(text: str) -> str:
    """A user's name at a registry or a git server.

    Raises:
        ValueError: it has blanks, a colon or a shell's characters.
    """
    if not _LOGIN.fullmatch(text):
        raise ValueError("use letters, digits and ._@+=-, without blanks and colons")
    return text


def parse_command(text: str) -> str:
    """A command line, taken as it is."""
    return text


def parse_truth(text: str) -> bool:
    """`true` or `false`, as Docker writes them.

    Raises:
        ValueError: neither.
    """
    if text not in {"true", "false"}:
        raise ValueError("use true or false")
    return text == "true"


def one_of(*choices: str) -> Callable[[str], str]:
    """A parser of one of a few words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"use one of {', '.join(choices)}")
        return text

    return parse
