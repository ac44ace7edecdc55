"""Jarship's own Dockerfile keeps the advice that Jarship gives."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.artifact.dockerfile import advice, parse_dockerfile, running

DOCKERFILE = Path(__file__).parents[2] / "docker/app/Dockerfile"


@pytest.mark.security(25)
def test_hadolint_finds_nothing_in_it() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_it_gets_no_advice_and_builds_for_every_platform() -> None:
    read = parse_dockerfile(DOCKERFILE.read_text(), {})
    assert advice(read, base_user="", run_as=None) == ()
    assert running(read, "linux/arm64", "linux/amd64") == ()
