"""Commands run inside a container of a host, by the engine's exec."""

from collections.abc import Sequence

from deploy.rollout.health import Deadline
from deploy.rollout.site import Site

TIMEOUT = 20.0
"""Seconds for a command to end after its output has."""
TRIES = 5
PAUSE = 0.2
"""Seconds between two of them."""


def run(site: Site, container: str, command: Sequence[str]) -> tuple[int, str]:
    """Run a command to its end; its exit code (-1 when it did not end), and what it printed.

    What it printed may be lacking: an engine can lose the output of a command that ends at once.

    Raises:
        APIError: the container is not running.
    """
    created = site.api.exec_create(container, list(command))
    output: bytes = site.api.exec_start(created["Id"])
    deadline = Deadline(TIMEOUT)
    # The stream can end before the command does.
    while (seen := site.api.exec_inspect(created["Id"]))["Running"] and deadline.left > 0:
        site.pause(0.02)
    code = seen["ExitCode"]
    return -1 if code is None else int(code), output.decode("utf-8", "replace")


def read(site: Site, container: str, command: Sequence[str], *, sign: str) -> str:
    """What a command prints; asked again while the sign that it has come is not in it.

    Returns:
        Without the sign when it never came: then this is what the command has to say.

    Raises:
        APIError: the container is not running.
    """
    said = ""
    for _ in range(TRIES):
        _, said = run(site, container, command)
        if sign in said:
            break
        site.pause(PAUSE)
    return said
