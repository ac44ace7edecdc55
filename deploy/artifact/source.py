"""Where the application's source lies, and what lies there."""

from pathlib import Path

from deploy.artifact import clone
from deploy.artifact.tree import ABSENT, Tree, read_tree
from deploy.values.build import Source
from deploy.values.errors import InputError
from deploy.values.events import Stream
from deploy.values.settings import Settings

STEP = clone.STEP
CLONE = Path("build/source")
"""Where APP_GIT_URL is cloned, below the root."""


def fetch(settings: Settings, root: Path, stream: Stream) -> Source:
    """Bring the source here, or find it here; what a build records of it.

    Raises:
        InputError: as `fetch_tree`.
        BuildError: as `fetch_tree`.
    """
    return describe(settings, root, fetch_tree(settings, root, stream))


def fetch_tree(settings: Settings, root: Path, stream: Stream) -> Tree:
    """Bring the source here, or find it here, and read it.

    Args:
        settings: APP_SOURCE, or APP_GIT_URL with APP_GIT_REF, APP_GIT_USER and APP_GIT_TOKEN; APP_DIR.
        root: the repository that APP_SOURCE is relative to, and below which clones lie.
        stream: told what is fetched.

    Raises:
        InputError: a directory that the settings name is not there, or cannot be read.
        BuildError: git failed: the remote refuses, or APP_GIT_REF is missing or a tag that moved.
    """
    if settings.app_git_url:
        remote = _remote(settings, settings.app_git_url)
        with stream.step(STEP, f"Fetch {remote.ref} of {remote.url}"):
            clone.update(remote, root / CLONE, stream)
    tree = read_source(settings, root)
    for name in (name for name, fingerprint in tree.fingerprints.items() if fingerprint == ABSENT):
        stream.warning(
            f"The submodule {name} is not checked out: git submodule update --init --recursive", step=STEP
        )
    return tree


def look(settings: Settings, root: Path) -> Source:
    """The source as it lies, with nothing fetched.

    Raises:
        InputError: a directory that the settings name is not there, or cannot be read.
        BuildError: git failed.
    """
    return describe(settings, root, read_source(settings, root))


def read_source(settings: Settings, root: Path) -> Tree:
    """Every file of the source as it lies: of all of it, since what APP_DIR is built from may lie beside.

    Raises:
        InputError: a directory that the settings name is not there, or cannot be read.
        BuildError: git failed.
    """
    project_directory(settings, root)
    return read_tree(source_directory(settings, root))


def describe(settings: Settings, root: Path, tree: Tree) -> Source:
    """What a build records of the source it is made from."""
    project = project_directory(settings, root)
    commit = tree.commit
    return Source(
        path=str(project.relative_to(root.resolve()) if project.is_relative_to(root.resolve()) else project),
        commit=commit.id if commit else "",
        committed_at=commit.at if commit else "",
        author=commit.author if commit else "",
        subject=commit.subject if commit else "",
        dirty=tree.dirty,
        content_hash=tree.content_hash,
    )


def source_directory(settings: Settings, root: Path) -> Path:
    """The directory of the whole source; links resolved.

    Raises:
        InputError: it is not there.
    """
    if settings.app_git_url:
        return _existing(root / CLONE, "APP_GIT_URL", settings, "fetch it: ./invokew jar")
    if settings.app_source:
        folder = root / Path(settings.app_source).expanduser()
        return _existing(folder, "APP_SOURCE", settings, "write the directory of the application's source")
    raise InputError("There is no source to build.", advice="Set APP_SOURCE or APP_GIT_URL.")


def project_directory(settings: Settings, root: Path) -> Path:
    """The directory that the jar is built in: the source's, or APP_DIR in it; links resolved.

    Raises:
        InputError: it is not there.
    """
    folder = source_directory(settings, root) / settings.app_dir
    return _existing(folder, "APP_DIR", settings, "write a directory inside the source")


def _existing(folder: Path, key: str, settings: Settings, advice: str) -> Path:
    if folder.is_dir():
        return folder.resolve()
    origin = settings.origins.get(key, "")
    raise InputError(
        f"{origin}: {key}: there is no directory {folder}"
        if origin
        else f"{key}: there is no directory {folder}",
        advice=advice,
    )


def _remote(settings: Settings, url: str) -> clone.Remote:
    return clone.Remote(
        url=url,
        ref=settings.app_git_ref,
        user=settings.app_git_user or clone.USER,
        token=settings.app_git_token.get_secret_value() if settings.app_git_token else None,
    )
