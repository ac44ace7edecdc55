"""What is left of a task for programs and for looking back: result, report of tests, audit lines, hooks."""

import json
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from deploy.values.inventory import Host
from tests.support.rollouts import APP, SECRET, Releases
from tests.support.sshd import restart_sshd


def on_host(releases: Releases, host: Host) -> list[dict[str, Any]]:
    """The audit lines of a host."""
    return lines(releases.sandbox.run(host, f"cat ~deploy/.jarship/{APP}/audit.jsonl"))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def named(case: Xml.Element) -> tuple[str, str]:
    """Host and phase of a case."""
    return str(case.get("classname")).removeprefix("deploy."), str(case.get("name"))


def dotless(host: str) -> str:
    return host.replace(".", "-")


def deploy(releases: Releases, version: str, **changes: str) -> tuple[int, str]:
    process = releases.start_process(releases.build(version), **changes)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


@pytest.mark.security(23)
def test_a_release_that_failed_is_told_here_and_on_the_hosts(releases: Releases) -> None:
    for host in releases.hosts:
        releases.sandbox.run(host, "rm -rf ~deploy/.jarship")
    build = releases.root / "build"
    code, said = deploy(releases, "1")
    assert code == 0, said
    result = json.loads((build / "result.json").read_text())
    assert (result["task"], result["release"], result["exit_code"], result["failure"]) == (
        "deploy", "1", 0, None
    )  # fmt: skip
    assert [(host["state"], host["was"], host["now"]) for host in result["hosts"]] == [
        ("released", "", "1")
    ] * 2
    assert all(host["seconds"]["health"] >= 0 for host in result["hosts"])

    code, said = deploy(releases, "2", STRATEGY="recreate", APP_ENV_HEALTH="500", HEALTH_TIMEOUT="1")
    assert code == 6, said
    result = json.loads((build / "result.json").read_text())
    one, two = (host["host"] for host in result["hosts"])
    assert (result["exit_code"], result["result"]) == (6, "failed: rolled back")
    assert (result["failure"]["host"], result["failure"]["step"]) == (one, "health")
    assert [(host["state"], host["was"], host["now"]) for host in result["hosts"]] == [("back", "1", "1")] * 2

    suite = Xml.parse(build / "junit-deploy.xml").getroot()
    failed = [case for case in suite if case.find("failure") is not None]
    assert [named(case) for case in failed] == [(dotless(one), "health")]
    assert "500" in str(failed[0].findtext("failure"))
    passed = {named(case) for case in suite if not len(case)}
    assert {(dotless(two), "pull"), (dotless(one), "stop")} <= passed

    for host in releases.hosts:
        first, second = on_host(releases, host)
        assert (first["exit_code"], first["what"], first["state"]) == (0, "1", "released")
        assert (second["exit_code"], second["result"]) == (6, "failed: rolled back")
        assert (second["task"], second["what"], second["state"]) == ("deploy", "2", "back")
        assert second["digest"].startswith("sha256:")
        assert second["who"]
        assert second["from"]
    here = lines((build / "audit.jsonl").read_text())
    assert [line["exit_code"] for line in here] == [0, 6]
    assert here[1]["hosts"] == {one: "back", two: "back"}
    for path in (build / name for name in ("audit.jsonl", "result.json", "junit-deploy.xml")):
        assert SECRET not in path.read_text()


@pytest.mark.thorough
@pytest.mark.security(23)
def test_a_host_that_cannot_take_its_line_is_warned_of_and_released_to(releases: Releases) -> None:
    one, two = releases.hosts
    releases.sandbox.run(one, "rm -rf ~deploy/.jarship; touch ~deploy/.jarship")
    releases.sandbox.run(two, f"install -d -o deploy ~deploy/.jarship/{APP}")
    releases.sandbox.run(two, f"printf '{{\"half' >~deploy/.jarship/{APP}/audit.jsonl")
    releases.sandbox.run(two, f"chown deploy ~deploy/.jarship/{APP}/audit.jsonl")
    releases.sandbox.run(two, "echo MaxSessions 3 >>/etc/ssh/sshd_config")
    restart_sshd(releases.sandbox, two)
    try:
        releases.deploy(releases.build("1"))
    finally:
        releases.sandbox.run(one, "rm ~deploy/.jarship")
        releases.sandbox.run(two, "sed -i /MaxSessions/d /etc/ssh/sshd_config")
        restart_sshd(releases.sandbox, two)
    assert releases.versions() == ["1", "1"]
    warned = [(event.host, event.step) for event in releases.events if event.kind == "warning"]
    assert warned == [(one.name, "audit")]
    half, whole = releases.sandbox.run(two, f"cat ~deploy/.jarship/{APP}/audit.jsonl").splitlines()
    assert half == '{"half'
    assert json.loads(whole)["what"] == "1", "and it took no fourth session"


def hook(releases: Releases, name: str, code: int = 0) -> None:
    """One that writes down what it was told, and ends so."""
    path = releases.root / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nenv | grep -v "^PATH=" >"$0.told"\necho heard by {name}\nexit {code}\n')
    path.chmod(0o755)


def told(releases: Releases, name: str) -> dict[str, str]:
    text = (releases.root / "hooks" / f"{name}.told").read_text()
    assert SECRET not in text
    return dict(line.partition("=")[::2] for line in text.splitlines())


def test_hooks_are_told_of_a_release_and_one_that_says_no_stops_it(releases: Releases) -> None:
    hook(releases, "pre-deploy")
    hook(releases, "post-deploy", 1)
    hook(releases, "failed", 1)
    code, said = deploy(releases, "1")
    assert code == 0, said
    assert "| heard by pre-deploy" in said
    assert "hooks/post-deploy ended with exit code 1" in said
    before, after = told(releases, "pre-deploy"), told(releases, "post-deploy")
    assert (before["HOOK_TASK"], before["HOOK_RELEASE"], before["HOOK_WAS"]) == ("deploy", "1", "")
    assert len(before["HOOK_HOSTS"].split(",")) == 2
    assert after["HOOK_EXIT_CODE"] == "0"

    code, said = deploy(releases, "2", STRATEGY="recreate", APP_ENV_HEALTH="500", HEALTH_TIMEOUT="1")
    assert code == 6, said
    assert "500" in said.rpartition("error:")[2], "a hook that fails hides no error"
    failed = told(releases, "failed")
    assert (failed["HOOK_EXIT_CODE"], failed["HOOK_ERROR_STEP"], failed["HOOK_WAS"]) == ("6", "health", "1")

    hook(releases, "pre-deploy", 1)
    before_all = [releases.containers(host) for host in releases.hosts]
    code, said = deploy(releases, "3")
    assert code == 5, said
    assert "hooks/pre-deploy ended with exit code 1" in said
    assert [releases.containers(host) for host in releases.hosts] == before_all
    assert told(releases, "failed")["HOOK_EXIT_CODE"] == "5"
