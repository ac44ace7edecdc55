"""`build/build.json`: what the steps from `jar` to `deploy` hand to each other."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deploy.files import write_atomically
from deploy.values.build import Build
from deploy.values.errors import InputError

PATH = Path("build/build.json")
"""Where it lies, below the root."""

FORMAT: int = Build.model_fields["format"].default


def read(path: Path) -> Build:
    """Read a build file.

    Raises:
        InputError: it is missing, cannot be read, is not of this format, or does not hold what it must.
    """
    content = _content(path)
    found = content.get("format")
    if found != FORMAT:
        newer = isinstance(found, int) and found > FORMAT
        raise _wrong(
            path,
            f"it has format {found!r}, and this version of Jarship reads {FORMAT}",
            "Use the version of Jarship that wrote it." if newer else _ADVICE,
        )
    try:
        return Build.model_validate_json(json.dumps(content))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise _wrong(path, problems[0], _ADVICE, problems[1:]) from error


def write(path: Path, build: Build) -> None:
    """Write a build file; a reader never sees half of it.

    Raises:
        OSError: its directory cannot be written to.
    """
    write_atomically(path, build.model_dump_json(indent=2) + "\n")


_ADVICE = "Make it anew: ./invokew jar"


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(
            f"There is no {path}.", why="It is what the task `jar` writes", advice="./invokew jar"
        ) from error
    except OSError as error:
        raise _wrong(path, str(error.strerror), "") from error
    except ValueError as error:
        raise _wrong(path, f"it is not JSON: {error}", _ADVICE) from error
    if not isinstance(content, dict):
        raise _wrong(path, "it is not a JSON object", _ADVICE)
    return content


def _wrong(path: Path, why: str, advice: str, details: list[str] | None = None) -> InputError:
    return InputError(f"{path} cannot be used.", why=why, advice=advice, details=details or ())
