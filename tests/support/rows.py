"""The table of faults: its rows, which tests have them, and a plugin of pytest that prints it at the end.

A test names its row by `@pytest.mark.fault(41)`. `pytest -m fault` prints what came of each row.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]

FAULTS = {
    1: "host down",
    2: "SSH packets dropped",
    3: "host key changed or unknown",
    4: "SSH key revoked",
    5: "user outside the docker group",
    6: "dockerd dead",
    7: "image for another architecture",
    8: "memory too small for two",
    9: "session limit",
    10: "link cut",
    11: "poor network",
    12: "jar build breaks",
    13: "registry killed during a push",
    14: "registry hangs",
    15: "credentials expired",
    16: "registry read-only or full",
    17: "garbage collected during a push",
    18: "corrupt blob",
    19: "tag moved",
    20: "TLS invalid, clock skew",
    21: "deployer's clock two hours ahead",
    22: "data root full",
    23: "port taken",
    24: "name conflict",
    25: "out of memory",
    26: "crash loop",
    27: "health answers 500",
    28: "slow start",
    29: "health hangs",
    30: "healthy, then failing",
    31: "old container answers the check",
    32: "nginx configuration broken",
    33: "nginx dead",
    34: "slow requests in flight",
    35: "endless connection",
    36: "TERM ignored",
    37: "SIGINT, SIGTERM",
    38: "kill -9",
    39: "two deployers",
    40: "lock directory unwritable",
    41: "host reboots",
    42: "dockerd restarts",
    43: "a later host fails",
    44: "image of the rollback pruned",
    45: "rollback fails too",
}
FIRST = frozenset({3, 13, 15, 23, 27, 34, 37, 38, 39, 41, 44})
"""Rows that `./invokew test` has."""


ROW = "fault"
"""The property of a report that names a row."""


def rows_of(*directories: str) -> frozenset[int]:
    """The rows that tests in some directories are marked with, by their text."""
    texts = (file.read_text() for name in directories for file in (TESTS / name).glob("test_*.py"))
    return frozenset(int(row) for text in texts for row in re.findall(r"mark\.fault\((\d+)\)", text))


def rows_of_item(item: pytest.Item) -> set[int]:
    """The rows that a test is marked with."""
    return {int(mark.args[0]) for mark in item.iter_markers("fault")}


def table(outcomes: Mapping[int, Counter[str]]) -> Iterator[str]:
    """A line for each row: what came of its tests, or that it has none."""
    for row, title in FAULTS.items():
        counts = outcomes.get(row, Counter())
        told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
        yield f"{row:>3}  {title:<36} {told or 'NOT COVERED'}"
    good = sum(_is_good(outcomes.get(row, Counter())) for row in FAULTS)
    yield f"{good} of {len(FAULTS)} rows covered and passed"


def _is_good(counts: Counter[str]) -> bool:
    return counts["passed"] > 0 and set(counts) <= {"passed"}


class Table:
    """Notes what comes of each row's tests, wherever they run, and prints it at the end."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Counter[str]] = defaultdict(Counter)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Let a report name its rows, also to the process that hears of it."""
        report: Any = yield
        report.user_properties += [(ROW, row) for row in rows_of_item(item)]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: by its call, or by what kept it from that."""
        if report.when == "call" or not report.passed:
            for row in dict.fromkeys(value for name, value in report.user_properties if name == ROW):
                self.outcomes[int(str(row))][report.outcome] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        terminalreporter.section("faults, row by row")
        for line in table(self.outcomes):
            terminalreporter.line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Print the table where the run is one of faults."""
    if "fault" in config.option.markexpr.split():
        config.pluginmanager.register(Table(), "faults, row by row")
