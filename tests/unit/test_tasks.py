import re
from typing import Any

import pytest

import tasks

NAMES = list(tasks.namespace.task_names)


def _arguments(name: str) -> list[Any]:
    # Invoke takes the texts of `help` out of the task when it is asked the first time.
    task: Any = tasks.namespace[name]
    if not hasattr(task, "seen_arguments"):
        task.seen_arguments = task.get_arguments()
    return list(task.seen_arguments)


@pytest.mark.parametrize("name", NAMES)
def test_every_task_says_what_it_does_in_one_clear_line(name: str) -> None:
    first, *rest = (tasks.namespace[name].__doc__ or "").strip().splitlines()
    assert re.fullmatch(r"[A-Z][a-z]+ .{10,70}\.", first), first
    assert not rest or rest[0] == ""


@pytest.mark.parametrize("name", NAMES)
def test_no_short_flag_runs_the_task_of_whoever_asks_for_help(name: str) -> None:
    """Invoke gives an option that begins with h the flag -h."""
    assert not [flag for argument in _arguments(name) for flag in argument.names if len(flag) == 1]


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained(name: str) -> None:
    assert {argument.name for argument in _arguments(name) if not argument.help} == set()
