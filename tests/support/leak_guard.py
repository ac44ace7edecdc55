"""A plugin of pytest for security row 9: integration and end-to-end tests are watched for leaked secrets."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import leaks

WATCHED = {"integration", "e2e", "faults", "figures"}
"""Directories of tests."""

BUILD = Path(__file__).parents[2] / "build"


@pytest.fixture(scope="session")
def leak_files() -> leaks.Files:
    """The files that were looked at; what earlier runs left in build/ counts as seen."""
    files = leaks.Files()
    files.look([BUILD])
    return files


@pytest.fixture(autouse=True)
def _no_leaks(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    leak_files: leaks.Files,
) -> Iterator[None]:
    """No secret of a test in what tasks print, in the files they leave, or in the arguments of a process."""
    if not _is_watched(request.node):
        yield
        return
    with leaks.watching(leak_files, lambda: (BUILD, tmp_path_factory.getbasetemp())) as seen:
        yield
    if seen:
        pytest.fail("secrets leaked:\n" + "\n".join(seen), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The same for what a test prints and logs, and all that it starts without capturing their output."""
    report = yield
    if call.when == "teardown" and _is_watched(item):
        seen = [leak for name, text in report.sections for leak in leaks.found(text, name)]
        if seen:
            report.outcome = "failed"
            report.longrepr = "\n".join(["secrets leaked:", *seen, str(report.longrepr or "")])
    return report


def _is_watched(item: pytest.Item) -> bool:
    return not WATCHED.isdisjoint(item.path.relative_to(item.config.rootpath).parts)
