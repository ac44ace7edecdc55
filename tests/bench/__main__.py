"""Times commands in turn with a Python that does nothing, and prints medians and the ratios between them.

Run it as `nox -s bench`; a ratio holds when the machine's speed drifts, a figure alone does not.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNS = 9
NOTHING = (sys.executable, "-c", "pass")
COMMANDS: Sequence[tuple[str, Sequence[str]]] = (
    (".venv/bin/invoke --list", (".venv/bin/invoke", "--list")),
    ("./invokew --list", ("./invokew", "--list")),
    ("./invokew config", ("./invokew", "config")),
)


def main() -> None:
    """Print a line a command."""
    subprocess.run(["./invokew", "--version"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    for name, command in COMMANDS:
        pairs = [(seconds(command), seconds(NOTHING)) for _ in range(RUNS)]
        took = statistics.median(one for one, _ in pairs)
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"{name:32} {took * 1000:6.0f} ms, {ratio:5.1f} times a Python that does nothing")


def seconds(command: Sequence[str]) -> float:
    """Of one run, from outside."""
    begun = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
