import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.rows import FAULTS, FIRST, rows_of, table


def test_every_row_has_a_test_where_a_host_or_a_registry_is_real() -> None:
    covered = rows_of("e2e", "faults", "integration")
    assert covered == set(FAULTS)


def test_the_rows_that_come_first_run_with_every_test_of_this_repository() -> None:
    assert rows_of("unit", "integration", "e2e") >= FIRST


def test_the_table_tells_of_each_row_what_came_of_it() -> None:
    lines = list(table({1: Counter(passed=2), 2: Counter(passed=1, failed=1)}))
    assert lines[0].split() == ["1", "host", "down", "2", "passed"]
    assert lines[1].endswith("1 failed, 1 passed")
    assert lines[2].endswith("NOT COVERED")
    assert lines[-1] == "1 of 45 rows covered and passed"


ROOT = Path(__file__).parents[2]
MARKED = """
import pytest

@pytest.mark.fault(1)
def test_good(): pass

@pytest.mark.fault(1)
@pytest.mark.fault(2)
def test_bad(): assert False
"""


@pytest.mark.parametrize("processes", [(), ("-n", "1")])
def test_rows_are_counted_once_a_test_also_by_another_process(
    tmp_path: Path, processes: tuple[str, ...]
) -> None:
    (tmp_path / "test_marked.py").write_text(MARKED)
    words = (
        "-m",
        "pytest",
        "-c",
        os.devnull,
        "-p",
        "tests.support.rows",
        "-m",
        "fault or thorough",
        *processes,
    )
    argv = [sys.executable, *words, *processes, str(tmp_path)]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    told = [line.split() for line in ran.stdout.splitlines()]
    assert ["1", "host", "down", "1", "failed,", "1", "passed"] in told
    assert ["2", "SSH", "packets", "dropped", "1", "failed"] in told
