"""Security row 9 is only as good as its watch: what leaks on purpose must be caught."""

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.leaks import Arguments, Files, canary, found, outputs

ROOT = Path(__file__).parents[2]
SECRET = canary("password")

LEAKS = {
    "stdout": "print(SECRET)",
    "stderr": "print(quote(SECRET, safe=''), file=sys.stderr)",
    "a-childs-output": "subprocess.run(['sh', '-c', 'cat >&2'], input=SECRET.encode())",
    "a-log-record": "logging.getLogger().error('token %s', SECRET)",
    "captured-output-of-a-task": (
        "subprocess.run(['sh', '-c', 'cat', 'invoke'], input=SECRET.encode(), capture_output=True)"
    ),
    "a-file-of-a-build": "(tmp_path / 'build').mkdir(); (tmp_path / 'build' / 'x').write_text(SECRET)",
    "a-log": "(tmp_path / 'out.log').write_bytes(base64.b64encode(b'user:' + SECRET.encode()))",
    "an-argument": "subprocess.run(['sh', '-c', 'sleep 0.3; :', SECRET])",
    "captured-error-of-a-task": (
        "subprocess.run(['sh', '-c', 'cat >&2', 'invoke'], input=SECRET, stderr=subprocess.PIPE, text=True)"
    ),
}

TEST = """
import base64, logging, subprocess, sys, pytest
from urllib.parse import quote
from tests.support.leaks import canary
SECRET = canary("password")
LEAKS = {leaks!r}

@pytest.mark.parametrize("name", LEAKS)
def test_leaking(tmp_path, name):
    exec(LEAKS[name])

def test_tight(tmp_path):
    subprocess.run(["sh", "-c", "cat >/dev/null; sleep 0.1"], input=SECRET.encode(), check=True)
    (tmp_path / ".env.local").write_text(SECRET)
"""


@pytest.mark.security(9)
def test_tests_that_leak_on_purpose_are_caught_and_a_tight_one_passes(tmp_path: Path) -> None:
    """And none of the unit tests, which are not watched."""
    output = _run_pytest(tmp_path, TEST.format(leaks=LEAKS))
    caught = set(re.findall(r"^ERROR (\S+?)(?: - .*)?$", output, re.MULTILINE))
    assert caught == {f"e2e/test_leak.py::test_leaking[{name}]" for name in LEAKS}, output
    assert output.count("secrets leaked:") >= len(LEAKS)
    assert "e2e/test_leak.py::test_tight PASSED" in output
    assert "unit/test_leak.py::test_leaking[stdout] PASSED" in output


def _run_pytest(root: Path, text: str) -> str:
    for directory in ("e2e", "unit"):
        (root / directory).mkdir()
        (root / directory / "__init__.py").touch()
        (root / directory / "test_leak.py").write_text(text)
    (root / "pytest.ini").write_text("[pytest]\n")
    argv = [sys.executable, "-m", "pytest", "-v", "-p", "tests.support.leak_guard", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*argv, f"--basetemp={root}/tmp", "-W", "ignore", "e2e", "unit/test_leak.py::test_leaking[stdout]"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    return run.stdout


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        json.dumps({"a": SECRET}),
        *(base64.b64encode(b"u" * before + SECRET.encode()).decode() for before in range(4)),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
    ids=["plain", "quoted", "quoted-but-slashes", "json", *(f"base64-{n}" for n in range(4)), "base64-url"],
)
def test_every_form_of_a_secret_is_found(text: str) -> None:
    assert found(f"before {text} after", "here")[0].startswith("here: …before ")


def test_a_mask_is_no_leak() -> None:
    assert found("password ****", "here") == []


def test_arguments_are_sampled_at_the_promised_pace() -> None:
    with Arguments() as arguments:
        time.sleep(0.6)
    assert 5 <= arguments.samples <= 14


def test_a_file_is_looked_at_again_only_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "build" / "build.json"
    file.parent.mkdir()
    file.write_text(SECRET)
    files = Files()
    assert len(files.look([tmp_path])) == 1
    assert files.look([tmp_path]) == []
    file.write_text(SECRET + " again")
    assert len(files.look([tmp_path])) == 1


def test_settings_and_sources_may_hold_what_they_must(tmp_path: Path) -> None:
    (tmp_path / ".env.dev.local").write_text(SECRET)
    assert Files().look([tmp_path, tmp_path / "missing"]) == []


def test_other_programs_may_print_what_tests_ask_them_for() -> None:
    with outputs() as leaks:
        subprocess.run(["cat"], input=SECRET.encode(), capture_output=True, check=True)
    assert leaks == []
