"""Which JDK a build uses."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path


def java_version(env: Mapping[str, str]) -> str:
    """What identifies the JDK that builds find in an environment; empty when there is none.

    JAVA_HOME goes before PATH, as in the wrappers of Maven and Gradle. A JDK tells its version in its file
    `release`, which is read in no time; one without is started and asked.
    """
    java = _java(env)
    if java is None:
        return ""
    release = java.resolve().parent.parent / "release"
    if release.is_file():
        lines = (line.partition("=") for line in release.read_text(errors="replace").splitlines())
        values = {name: value.strip('"') for name, _, value in lines}
        if version := values.get("JAVA_RUNTIME_VERSION") or values.get("JAVA_VERSION"):
            return f"{version} {values.get('IMPLEMENTOR', '')}".strip()
    return _asked(java, env)


def _java(env: Mapping[str, str]) -> Path | None:
    if home := env.get("JAVA_HOME"):
        java = Path(home) / "bin/java"
        return java if java.is_file() else None
    found = shutil.which("java", path=env.get("PATH"))
    return Path(found) if found else None


def _asked(java: Path, env: Mapping[str, str]) -> str:
    result = subprocess.run(
        [java, "-version"],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return " / ".join(result.stdout.decode("utf-8", "replace").splitlines()) if result.returncode == 0 else ""
