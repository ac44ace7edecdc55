"""The keys that there are, and the one that somebody may have meant."""

import difflib
from collections.abc import Mapping
from functools import cache
from typing import get_args

from deploy.values.keys import APP_ENV, PREFIX, SECRET, Group, Key
from deploy.values.names import is_variable
from deploy.values.settings import Settings


@cache
def known_keys() -> Mapping[str, Key]:
    """Every key by name, in the order of the documentation; APP_ENV_X and SECRET_X are not among them."""
    keys = (
        (name.upper(), key)
        for name, field in Settings.model_fields.items()
        for key in field.metadata
        if isinstance(key, Key)
    )
    groups = get_args(Group)
    return dict(sorted(keys, key=lambda item: groups.index(item[1].group)))


def is_key(text: str) -> bool:
    """Whether this is a key of the settings."""
    return text in known_keys() or any(
        text.startswith(prefix) and is_variable(text.removeprefix(prefix)) for prefix in (APP_ENV, SECRET)
    )


def nearest(text: str) -> str:
    """The key that is written most like this; empty when none is near."""
    text = text.removeprefix(PREFIX)
    candidates = {key: key for key in known_keys()}
    for count in range(1, text.count("_") + 1):
        name = text.split("_", count)[-1]
        candidates |= {(prefix + name).upper(): prefix + name for prefix in (APP_ENV, SECRET)}
    near = difflib.get_close_matches(text.upper(), candidates, n=3, cutoff=0.7)
    return next((candidates[key] for key in near if is_key(candidates[key])), "")
