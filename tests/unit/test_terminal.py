import io
import subprocess
import sys
import threading
import time

import pytest

from deploy.output.live import Live
from deploy.output.mask import Mask
from deploy.output.terminal import Plain, listener
from deploy.values.events import Stream

NO_SECRETS = Mask([])


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _at(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def test_plain_lines_are_stamped_and_named() -> None:
    out = io.StringIO()
    stream = Stream(Plain(out, NO_SECRETS), clock=lambda: 1000.0)
    stream.note("Two hosts.")
    stream.emit("started", "Pull shop", host="192.0.2.10", step="pull")
    stream.output("Digest: sha256:0", host="192.0.2.10", step="pull")
    stream.emit("finished", "Pull shop", host="192.0.2.10", step="pull", seconds=1.23)
    stream.warning("No layers index.", step="image")
    stream.emit("failed", "Start: crashed\nexit code 1", host="web-2:22", step="start", seconds=0.04)
    stamp = _at(1000)
    assert out.getvalue().splitlines() == [
        f"{stamp} Two hosts.",
        f"{stamp} 192.0.2.10 pull Pull shop",
        f"{stamp} 192.0.2.10 pull | Digest: sha256:0",
        f"{stamp} 192.0.2.10 pull Pull shop done 1.2s",
        f"{stamp} image warning: No layers index.",
        f"{stamp} web-2:22 start FAILED: Start: crashed",
        f"{stamp} web-2:22 start FAILED: exit code 1 0.0s",
    ]


def test_plain_progress_is_thinned_by_step_and_host() -> None:
    out = io.StringIO()
    now = [100.0]
    stream = Stream(Plain(out, NO_SECRETS), clock=lambda: now[0])
    stream.emit("started", "Push", step="push")
    for tenth in range(121):
        now[0] = 100 + tenth / 10
        stream.progress(f"{tenth}", step="push")
    stream.progress("other", step="push", host="192.0.2.1")
    said = [line.split()[-1] for line in out.getvalue().splitlines()]
    assert said == ["Push", "50", "100", "other"]


def test_plain_neither_shows_secrets_nor_obeys_escape_sequences() -> None:
    out = io.StringIO()
    stream = Stream(Plain(out, Mask(["hunter2hunter2"])))
    stream.output("\x1b[2J\x1b[1;1Hhunter2hunter2\r15:04:05 all is well", host="h\x1b[31m", step="run")
    text = out.getvalue()
    assert "hunter2" not in text
    assert "\x1b" not in text
    assert all("| " in line for line in text.splitlines())


def test_plain_goes_silent_when_nobody_reads() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    stream = Stream(Plain(Broken(), NO_SECRETS))
    stream.note("one")
    stream.note("two")
    closed = io.StringIO()
    closed.close()
    Stream(listener(closed, NO_SECRETS, environ={"TERM": "xterm"})).note("three")


def test_plain_writes_what_the_encoding_cannot_hold() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    Stream(Plain(out, NO_SECRETS)).note("Größe")
    assert b"Gr\\xf6\\xdfe\n" in raw.getvalue()


@pytest.mark.parametrize("term", ["dumb", "", "unknown"])
def test_a_terminal_that_can_do_nothing_gets_plain_lines(term: str) -> None:
    assert isinstance(listener(_Terminal(), NO_SECRETS, environ={"TERM": term}), Plain)


def test_a_pipe_gets_plain_lines_and_a_terminal_the_display() -> None:
    assert isinstance(listener(io.StringIO(), NO_SECRETS, environ={"TERM": "xterm"}), Plain)
    assert isinstance(listener(_Terminal(), NO_SECRETS, environ={"TERM": "xterm"}), Live)


def test_the_display_marks_what_is_done_and_gives_the_cursor_back() -> None:
    out = _Terminal()
    stream = Stream(listener(out, Mask(["hunter2hunter2"]), environ={"TERM": "xterm"}))
    with stream.step("pull", "Pull [bold]shop[/bold]", host="192.0.2.10"):
        stream.progress("3 of 7 MB hunter2hunter2", host="192.0.2.10", step="pull")
        stream.output("\x1b]0;title\x07layer [1/2]", host="192.0.2.10", step="pull")
        time.sleep(0.2)
    with pytest.raises(ZeroDivisionError), stream.step("start", "Start shop"):
        _ = 1 / 0
    text = out.getvalue()
    assert "✔" in text
    assert "✖" in text
    assert "Pull [bold]shop[/bold]" in text
    assert "3 of 7 MB ****" in text
    assert "layer [1/2]" in text
    assert "hunter2" not in text
    assert "\x1b]0;" not in text
    assert "\x1b[3" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "rich" not in {thread.name for thread in threading.enumerate()}


def test_no_color_keeps_the_display_without_colours() -> None:
    out = _Terminal()
    stream = Stream(listener(out, NO_SECRETS, environ={"TERM": "xterm", "NO_COLOR": "1"}))
    with stream.step("pull", "Pull shop"):
        pass
    assert "✔" in out.getvalue()
    assert "\x1b[3" not in out.getvalue()


def test_plain_lines_and_reports_do_without_rich() -> None:
    code = "import sys; import deploy.output.terminal, deploy.output.report; print('rich' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
