"""The team's own executables: found, run with the facts, bounded."""

import time
from pathlib import Path

import pytest

from deploy.command import Run
from deploy.hooks import AFTER, FAILED, HookFailed, facts_of, hook_after, run_hook
from deploy.values.account import Account, HostAccount, State, ending_of
from deploy.values.errors import HostError, LeftDifferent, RolledBack
from deploy.values.events import Event, Stream


def hook(root: Path, script: str, *, name: str = "pre-deploy", mode: int = 0o755) -> None:
    (root / "hooks").mkdir(exist_ok=True)
    path = root / "hooks" / name
    path.write_text(script)
    path.chmod(mode)


def run(
    root: Path, facts: dict[str, str] | None = None, *, timeout: float = 20, host: str = ""
) -> list[Event]:
    heard: list[Event] = []
    assert run_hook(
        "pre-deploy", facts or {}, root=root, stream=Stream(heard.append), timeout=timeout, host=host
    )
    return heard


def test_without_one_nothing_happens(tmp_path: Path) -> None:
    heard: list[Event] = []
    assert not run_hook("pre-deploy", {}, root=tmp_path, stream=Stream(heard.append))
    assert heard == []


def test_it_gets_the_facts_and_runs_in_the_root_and_its_output_is_told(tmp_path: Path) -> None:
    hook(tmp_path, '#!/bin/sh\necho "$HOOK_RELEASE"\necho "$HOOK_ERROR" >&2\npwd\n')
    heard = run(tmp_path, {"HOOK_RELEASE": "1.0; $(reboot)", "HOOK_ERROR": "a\0b"}, host="host-1")
    said = [event.text for event in heard if event.kind == "output"]
    assert said == ["1.0; $(reboot)", "ab", str(tmp_path)]
    assert [event.kind for event in heard if event.kind != "output"] == ["started", "finished"]
    assert {(event.step, event.host) for event in heard} == {("hook", "host-1")}


def test_it_gets_no_secret_of_ours_and_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JARSHIP_REGISTRY_PASSWORD", "hidden")
    monkeypatch.setenv("JARSHIP_SECRET_KEY", "hidden")
    monkeypatch.setenv("CHAT_TOKEN", "its own")
    hook(tmp_path, "#!/bin/sh\nenv\n")
    said = [event.text for event in run(tmp_path) if event.kind == "output"]
    assert "CHAT_TOKEN=its own" in said
    assert not any("hidden" in line for line in said)


def test_one_that_says_no_is_a_failure_that_changed_nothing_and_quotes_it(tmp_path: Path) -> None:
    hook(tmp_path, "#!/bin/sh\nfor n in $(seq 30); do echo line $n; done\nexit 3\n")
    with pytest.raises(HookFailed) as raised:
        run(tmp_path, host="host-2")
    error = raised.value
    assert (error.exit_code, error.host, error.step) == (5, "host-2", "hook")
    assert error.what == "The hook hooks/pre-deploy ended with exit code 3."
    assert error.details == tuple(f"line {number}" for number in range(21, 31))


@pytest.mark.parametrize("ends", ["sleep 60", "exec >/dev/null 2>&1; sleep 60"])
def test_one_that_does_not_end_is_ended(tmp_path: Path, ends: str) -> None:
    hook(tmp_path, f"#!/bin/sh\n{ends}\n")
    with pytest.raises(HookFailed, match=r"did not end within 0\.3 s"):
        run(tmp_path, timeout=0.3)


def test_whoever_waits_for_it_can_end_it(tmp_path: Path) -> None:
    hook(tmp_path, "#!/bin/sh\nsleep 60\n")
    begun = time.monotonic()

    def turn() -> None:
        if time.monotonic() > begun + 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_hook("pre-deploy", {}, root=tmp_path, stream=Stream(), turn=turn)


def test_one_that_cannot_be_run_is_told_with_what_to_do(tmp_path: Path) -> None:
    hook(tmp_path, "#!/bin/sh\n", mode=0o644)
    with pytest.raises(HookFailed, match="not an executable file") as raised:
        run(tmp_path)
    assert "chmod +x hooks/pre-deploy" in raised.value.advice
    hook(tmp_path, "echo without an interpreter\n")
    with pytest.raises(HookFailed, match="cannot be started") as raised:
        run(tmp_path)
    assert "#!/bin/sh" in raised.value.advice


def test_a_signal_that_ends_it_is_told(tmp_path: Path) -> None:
    hook(tmp_path, "#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(HookFailed, match="was ended by signal 9"):
        run(tmp_path)


def account(*states: State, error: BaseException | None = None) -> Account:
    return Account(
        facts={"task": "deploy", "app": "shop", "release": "1.2"},
        hosts=tuple(
            HostAccount(host=f"h{number}", state=state, was="1.1") for number, state in enumerate(states)
        ),
        ending=ending_of(error),
    )


def test_the_facts_are_told_masked() -> None:
    error = RolledBack("Bad.", why="its password is hunter22", host="h1", step="health")
    facts = facts_of(account("back", "back", error=error), lambda text: text.replace("hunter22", "****"))
    assert facts["HOOK_HOSTS"] == "h0,h1"
    assert (facts["HOOK_TASK"], facts["HOOK_RELEASE"], facts["HOOK_WAS"]) == ("deploy", "1.2", "1.1")
    assert (facts["HOOK_EXIT_CODE"], facts["HOOK_ERROR_HOST"]) == ("6", "h1")
    assert facts["HOOK_ERROR"] == "Bad. its password is ****"


def test_which_hook_follows_which_end() -> None:
    assert hook_after(account("released"), None) == AFTER
    assert hook_after(account("unchanged"), None) == "", "there was nothing to do"
    assert hook_after(account("released", "left out"), LeftDifferent("Left out.")) == AFTER
    assert hook_after(account("paused"), LeftDifferent("Paused.")) == FAILED
    assert hook_after(account(), HostError("No.")) == FAILED


def ended_run(root: Path) -> tuple[Run, list[Event]]:
    run, heard = Run(root, keeps_events=True), list[Event]()
    run.stream.listen(heard.append)
    run.begin("deploy")
    run.stream.fact(host="h1", state="released")
    return run, heard


@pytest.mark.parametrize("error", [None, RolledBack("Bad.")])
def test_a_hook_that_fails_afterwards_is_a_warning_and_no_more(
    tmp_path: Path, error: Exception | None
) -> None:
    hook(tmp_path, "#!/bin/sh\nexit 3\n", name=FAILED if error else AFTER)
    run, heard = ended_run(tmp_path)
    run.hook_after(error)
    assert [event.text for event in heard if event.kind == "warning"] == [
        f"The hook hooks/{FAILED if error else AFTER} ended with exit code 3."
    ]


def test_a_task_that_releases_nothing_has_no_hook(tmp_path: Path) -> None:
    hook(tmp_path, "#!/bin/sh\n", name=FAILED)
    run, _ = ended_run(tmp_path)
    run.stream.fact(task="jar")
    run.hook_after(RolledBack("Bad."))
    assert not run.hooked
