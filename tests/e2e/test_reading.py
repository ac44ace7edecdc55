"""What tasks read from hosts: usage against limits, and logs as they come."""

import json
import signal
import time

from tests.support.rollouts import Releases, invoke


def task(releases: Releases, *words: str) -> str:
    process = invoke(*words, folder=releases.root, environ=releases.environ())
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return out


def test_usage_against_the_limits_and_the_log_as_it_comes(releases: Releases) -> None:
    releases.deploy(releases.build("1"), app_env={"ALLOCATE": "20"}, cpus=1.5)
    rows = json.loads(task(releases, "status", "--usage", "--json"))
    for row in rows:
        assert 20 * 2**20 <= row["memory"] < row["memory_limit"] == 64 * 2**20
        assert (row["cpus_limit"], row["oom_kills"], row["restarts"]) == (1.5, 0, 0)
    assert "% of" not in task(releases, "status")
    assert "of 64m" in task(releases, "status", "--usage")

    following = invoke(
        "logs", "--follow", "--lines=0", "--json", folder=releases.root, environ=releases.environ()
    )
    assert following.stdout is not None
    heard: list[dict[str, str]] = []
    time.sleep(2)
    releases.deploy(releases.build("2"))
    hosts = {host.place for host in releases.hosts}
    for text in following.stdout:
        heard.append(json.loads(text))
        if {line["host"] for line in heard if "starting version 2" in line["text"]} == hosts:
            break
    following.send_signal(signal.SIGINT)
    _, said = following.communicate(timeout=10)
    assert following.returncode == 0, said
    assert task(releases, "logs", "--since=2000-01-01", "--lines=1").count("\n") == 2
    assert task(releases, "logs", "--since=2100-01-01").strip() == ""
