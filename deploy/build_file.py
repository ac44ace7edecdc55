"""`build/build.json`: what the steps from `jar` to `deploy` hand to each other."""

from pathlib import Path

from deploy.files import write_atomically
from deploy.model_file import Kind
from deploy.values.build import Build

PATH = Path("build/build.json")
"""Where it lies, below the root."""

FORMAT: int = Build.model_fields["format"].default

_KIND = Kind(
    model=Build,
    unusable="{path} cannot be used.",
    made_by="It is what the task `jar` writes",
    make="./invokew jar",
    newer="Use the version of Jarship that wrote it.",
)


def read(path: Path) -> Build:
    """Read a build file.

    Raises:
        InputError: it is missing, cannot be read, is not of this format, or does not hold what it must.
    """
    return _KIND.read(path)


def write(path: Path, build: Build) -> None:
    """Write a build file; a reader never sees half of it.

    Raises:
        OSError: its directory cannot be written to.
    """
    write_atomically(path, build.model_dump_json(indent=2) + "\n")
