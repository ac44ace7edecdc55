"""What a failed candidate leaves behind: its log, its inspection and why, in `build/failure-<host>/`."""

import json
import shutil
from pathlib import Path

from deploy.rollout.containers import exists
from deploy.rollout.health import why_stopped
from deploy.rollout.site import Bench, Site
from deploy.values.errors import Failure
from deploy.values.release import Release

LINES = 5000


def keep_evidence(site: Site, release: Release, bench: Bench, error: Exception) -> list[str]:
    """Write what is known of the candidate on the host that failed; returns the folder, if there is one.

    Secrets are masked in every file. An earlier failure's folder of the same host is replaced.
    """
    seen = exists(site, release.container)
    if seen is None:
        return []
    folder = bench.root / "build" / f"failure-{_safe(site.host.name)}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log: bytes = site.api.logs(release.container, tail=LINES, timestamps=True)
    state = "running" if seen["State"]["Running"] else why_stopped(seen)
    why = error.why if isinstance(error, Failure) else ""
    _write(bench, folder / "container.log", log.decode("utf-8", "replace"))
    _write(bench, folder / "inspect.json", json.dumps(seen, indent=2))
    _write(
        bench,
        folder / "why.txt",
        f"release: {release.tag} {release.digest}\nhost: {site.host.name}\nerror: {error}\nwhy: {why}\n"
        f"container: {state}\n",
    )
    return [str(folder.relative_to(bench.root))]


def _write(bench: Bench, path: Path, text: str) -> None:
    path.write_text(bench.mask(text), encoding="utf-8")


def _safe(host: str) -> str:
    return "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in host)
