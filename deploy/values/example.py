"""`.env.example`, generated from the model: `python -m deploy.values.example > .env.example`."""

import textwrap
from itertools import groupby

from deploy.values.describe import text_of
from deploy.values.keys import Key, is_secret
from deploy.values.known import known_keys
from deploy.values.settings import Settings

ACTIVE = {
    "APP_NAME": "hello",
    "APP_SOURCE": "examples/hello",
    "REGISTRY": "sandbox",
    "HOSTS": "sandbox",
    "SANDBOX_HOSTS": "2",
    "MEMORY": "384m",
    "CPUS": "1.5",
}
"""What `.env.example` sets: the example application on the embedded sandbox."""

_HEAD = """\
# Every setting; commented lines show the default, or an example where there is none.
# What is set here deploys the example application to a sandbox.
# For a profile of your own: cp .env.example .env.prod, then edit it.
#
# A later one wins: .env (this machine's) < .env.<profile> (the team's, committed, without secrets)
# < .env.<profile>.local (ignored by git, chmod 600: secrets) < JARSHIP_<KEY> in the environment.
# Put values with # or quotes in them between ' and '; ${X} means just that. Comments have their own lines.
"""
_TAIL = """
# ---- For the application ----

# APP_ENV_X reaches the container as X.
#APP_ENV_SPRING_JPA_SHOW_SQL=false

# SECRET_X reaches the container as X too, and is masked everywhere; never in a committed file.
#SECRET_SPRING_DATASOURCE_PASSWORD=<password>
"""


def example() -> str:
    """The text of `.env.example`."""
    groups = groupby(known_keys().items(), key=lambda item: item[1].group)
    parts = [_HEAD]
    for group, keys in groups:
        parts.append(f"\n# ---- {group} ----\n")
        parts += [_entry(name, key) for name, key in keys]
    return "".join(parts) + _TAIL


def _entry(name: str, key: Key) -> str:
    field = Settings.model_fields[name.lower()]
    default = None if field.is_required() else text_of(name, field.default)
    words = [key.doc]
    if is_secret(name):
        words.append("Never in a committed file.")
    if default and key.example != default:
        words.append(f"For example {key.example}.")
    comment = textwrap.fill(
        " ".join(words), width=100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
    line = f"{name}={ACTIVE[name]}" if name in ACTIVE else f"#{name}={default or key.example}"
    return f"\n{comment}\n{line}\n"


if __name__ == "__main__":
    print(example(), end="")
