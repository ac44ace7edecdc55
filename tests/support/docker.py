"""The Docker Engine that integration and end-to-end tests run on."""

import os
from collections.abc import Mapping
from typing import Literal, NoReturn

import docker
import pytest

from deploy import engine
from deploy.preparing import alone
from deploy.setup.machine import ensure_engine
from deploy.values.errors import Failure
from deploy.values.events import Stream


def available(environ: Mapping[str, str] = os.environ) -> docker.DockerClient:
    """A client of this machine's engine, which is installed and started when it is missing and may be.

    Without one the test is skipped with the reason, or, where CI is true, fails.
    """
    setup: Literal["auto", "never"] = "never" if environ.get("JARSHIP_SETUP") == "never" else "auto"
    try:
        with alone():
            ensure_engine(Stream(), setup, environ)
        return engine.local(Stream(), environ)
    except Failure as failure:
        missing(" ".join(part for part in (failure.what, failure.why, failure.advice) if part), environ)


def missing(reason: str, environ: Mapping[str, str] = os.environ) -> NoReturn:
    """Skip a test for want of something that a laptop may lack and CI may not."""
    if environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{reason} (an error, since CI is set)", pytrace=False)
    pytest.skip(reason)
