"""The file of `plan --out`: what was decided, on what, and the build that it is about."""

from pathlib import Path

from deploy.files import write_atomically
from deploy.model_file import Kind
from deploy.values.errors import InputError
from deploy.values.planned import Planned
from deploy.values.settings import Settings

_MAKE = "./invokew plan --out={path}"
_KIND = Kind(
    model=Planned,
    unusable="{path} cannot be used as a plan.",
    made_by="It is what `plan --out` writes.",
    make=_MAKE,
    newer=f"Make it anew: {_MAKE}",
)


def read(path: Path) -> Planned:
    """Read a plan.

    Raises:
        InputError: it is missing, cannot be read, is not of this format, or does not hold what it must.
    """
    return _KIND.read(path)


def read_for(settings: Settings, path: str) -> Planned:
    """The plan in a file, which must be of this application and profile.

    Raises:
        InputError: it is not, or cannot be used.
    """
    planned = read(Path(path))
    for what, theirs, ours in (
        ("application", planned.app, settings.app_name),
        ("profile", planned.profile, settings.profile),
    ):
        if theirs != ours:
            raise InputError(
                f"{path} plans for the {what} {theirs}, the settings are of {ours}.",
                advice=f"./invokew deploy --profile={planned.profile} --plan={path}",
            )
    return planned


def write(path: Path, planned: Planned) -> None:
    """Write a plan; a reader never sees half of it.

    Raises:
        InputError: its directory cannot be written to.
    """
    try:
        write_atomically(path, planned.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise InputError(
            f"--out={path} cannot be written.", why=str(error.strerror), advice="Name another file."
        ) from error
