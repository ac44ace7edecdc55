"""The file of `plan --out`: what was decided, on what, and the build that it is about."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deploy.files import write_atomically
from deploy.values.errors import InputError
from deploy.values.planned import Planned

FORMAT: int = Planned.model_fields["format"].default

_ADVICE = "Make it anew: ./invokew plan --out={path}"


def read(path: Path) -> Planned:
    """Read a plan.

    Raises:
        InputError: it is missing, cannot be read, is not of this format, or does not hold what it must.
    """
    content = _content(path)
    found = content.get("format")
    if found != FORMAT:
        raise _wrong(path, f"it has format {found!r}, and this version of Jarship reads {FORMAT}")
    try:
        return Planned.model_validate_json(json.dumps(content))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise _wrong(path, problems[0], problems[1:]) from error


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


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"There is no {path}.",
            why="It is what `plan --out` writes.",
            advice=_ADVICE.format(path=path),
        ) from error
    except OSError as error:
        raise _wrong(path, str(error.strerror)) from error
    except (ValueError, RecursionError) as error:
        raise _wrong(path, f"it is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise _wrong(path, "it is not a JSON object")
    return content


def _wrong(path: Path, why: str, details: list[str] | None = None) -> InputError:
    return InputError(
        f"{path} cannot be used as a plan.",
        why=why,
        advice=_ADVICE.format(path=path),
        details=details or (),
    )
