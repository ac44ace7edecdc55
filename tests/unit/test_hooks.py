"""The team's own executables: found, run with the facts, bounded."""

import time
from pathlib import Path

import pytest

from deploy.hooks import HookFailed, run_hook
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
