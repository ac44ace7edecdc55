"""The heap that a plan tells against the one that Java takes."""

import re
import shutil
import subprocess

import pytest

from deploy.rollout.heap import heap_of
from tests.support.docker import missing

MIB = 2**20


@pytest.mark.parametrize("limit", [64, 200, 256, 700, 4096])
@pytest.mark.parametrize(
    "options", ["", "-XX:MaxRAMPercentage=75", "-XX:MaxRAMPercentage=10", "-XX:MinRAMPercentage=30"]
)
def test_java_takes_the_heap_that_was_told(limit: int, options: str) -> None:
    java = shutil.which("java") or missing("there is no java")
    command = [
        java,
        "-XX:+UseSerialGC",
        f"-XX:MaxRAM={limit * MIB}",
        *options.split(),
        "-XX:+PrintFlagsFinal",
    ]
    said = subprocess.run([*command, "-version"], capture_output=True, text=True, check=True, timeout=30)
    taken = re.search(r"\bMaxHeapSize\s*=\s*(\d+)", said.stdout)
    told = heap_of({"JAVA_TOOL_OPTIONS": options}, ("java",), limit=limit * MIB, host=2**36)
    assert taken
    assert told
    assert abs(int(taken[1]) - told.size) <= 2 * MIB
