"""Files of JSON with a format number, validated when they are read: a build, a plan."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from deploy.values.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[Model]):
    """What a file holds, and what to say of one that cannot be used. `{path}` in a text is the file's."""

    model: type[Model]
    """Has a field `format`, whose default is the format that is read."""
    unusable: str
    """What is wrong, in a sentence."""
    made_by: str
    """Where the file comes from, in a sentence."""
    make: str
    """The command that makes it."""
    newer: str
    """What to do with one of a newer format."""

    def read(self, path: Path) -> Model:
        """Read a file of this kind.

        Raises:
            InputError: it is missing, cannot be read, is not of this format, or does not hold what it must.
        """
        content = self._content(path)
        known = self.model.model_fields["format"].default
        found = content.get("format")
        if found != known:
            advice = self.newer if isinstance(found, int) and found > known else self._anew
            why = f"it has format {found!r}, and this version of Jarship reads {known}"
            raise self._wrong(path, why, advice)
        try:
            return self.model.model_validate_json(json.dumps(content))
        except ValidationError as error:
            first, *more = [
                f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}"
                for problem in error.errors(include_url=False, include_input=False)
            ]
            raise self._wrong(path, first, self._anew, more) from error

    @property
    def _anew(self) -> str:
        return f"Make it anew: {self.make}"

    def _content(self, path: Path) -> dict[str, Any]:
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise InputError(
                f"There is no {path}.", why=self.made_by, advice=self.make.format(path=path)
            ) from error
        except OSError as error:
            raise self._wrong(path, str(error.strerror), "") from error
        except (ValueError, RecursionError) as error:
            raise self._wrong(path, f"it is not JSON: {error}", self._anew) from error
        if not isinstance(content, dict):
            raise self._wrong(path, "it is not a JSON object", self._anew)
        return content

    def _wrong(self, path: Path, why: str, advice: str, details: Sequence[str] = ()) -> InputError:
        what = self.unusable.format(path=path)
        return InputError(what, why=why, advice=advice.format(path=path), details=details)
