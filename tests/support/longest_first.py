"""The order of the tests: the longest files first, so that both processes end together."""

import pytest

LONGEST = (
    "test_many_times",
    "test_every_step",
    "test_every_step_behind",
    "test_balancer",
    "test_failed_release",
    "test_boot_versions",
    "test_set_up",
    "test_jenkinsfile",
    "test_bytes",
    "test_jar_build",
    "test_adopt_killed",
    "test_adopt",
    "test_rollout",
    "test_zero_downtime",
    "test_secret_files",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file; the others follow in their order."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
