"""A JDK for tests that build nothing with it."""

from pathlib import Path


def make_jdk(home: Path, version: str = "17.0.1") -> Path:
    """A directory that says it is a JDK of that version."""
    (home / "bin").mkdir(parents=True, exist_ok=True)
    for name in ("java", "javac"):
        (home / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
        (home / "bin" / name).chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="Example"\nJAVA_VERSION="{version}"\n')
    return home
