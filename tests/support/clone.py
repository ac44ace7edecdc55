"""A new clone of this repository, as a person or a CI job begins with."""

import shutil
from pathlib import Path

from tests.support.git_server import git

ROOT = Path(__file__).parents[2]


def new_clone(target: Path) -> Path:
    """Clone this repository as it lies: its last commit, and over it what was changed since."""
    git(ROOT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(target))
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if not (ROOT / name).exists():
            (target / name).unlink(missing_ok=True)
        elif name:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    commit_all(target, "As it lies")
    return target


def commit_all(repository: Path, message: str) -> None:
    """Commit what there is to commit, if anything."""
    git(repository, "add", "--all")
    if git(repository, "status", "--porcelain"):
        git(repository, "commit", "--quiet", "--no-verify", "--message", message)
