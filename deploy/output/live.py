"""The stream of events on a capable terminal: what runs now, in place; what is done, above it."""

import time
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live as Display
from rich.spinner import Spinner
from rich.text import Text

from deploy.output.clean import safe, safe_lines
from deploy.output.mask import Mask
from deploy.values.events import UNSPOKEN, Event

_STYLES = {"failed": "bold red", "warning": "yellow", "output": "dim", "finished": ""}
_MARKS = {"finished": ("✔", "+"), "failed": ("✖", "x"), "warning": ("!", "!")}


class Live:
    """Finished steps scroll up, ticked; those that run are shown below with their last progress and time.

    The display is on only while a step runs. `Stream.step` ends every step, also by an exception, so that the
    terminal has its cursor back whenever something else is printed.
    """

    def __init__(self, stream: TextIO, mask: Mask, *, colour: bool = True) -> None:
        self._console = Console(
            file=stream, force_terminal=True, no_color=not colour, highlight=False, markup=False, emoji=False
        )
        self._mask = mask
        self._running: dict[tuple[str, str], _Running] = {}
        self._display: Display | None = None
        self._lost = False

    def __call__(self, event: Event) -> None:
        """Show the event; silent from then on when nobody can see it any more."""
        if self._lost or event.kind in UNSPOKEN:
            return
        try:
            self._show(event)
        except (OSError, ValueError):
            self._lost = True

    def _show(self, event: Event) -> None:
        key = (event.host, event.step)
        match event.kind:
            case "started":
                self._running[key] = _Running(self._line(event))
                self._turn_on()
            case "progress" if key in self._running:
                self._running[key].say(safe(event.text, self._mask))
            case "finished" | "failed":
                self._running.pop(key, None)
                self._print(event)
                if not self._running:
                    self._turn_off()
            case _:
                self._print(event)

    def _turn_on(self) -> None:
        if self._display is None:
            # Redirecting would send what a task prints on stdout to this console, which is stderr.
            self._display = Display(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._display.start()

    def _turn_off(self) -> None:
        if self._display is not None:
            display, self._display = self._display, None
            display.stop()

    def _render(self) -> RenderableType:
        return Group(*(running.spinner() for running in list(self._running.values())))

    def _print(self, event: Event) -> None:
        marks = _MARKS.get(event.kind)
        mark = "" if marks is None else marks[0 if self._console.encoding.startswith("utf") else 1] + " "
        style = _STYLES.get(event.kind, "")
        for text in self._texts(event):
            colour = "green" if event.kind == "finished" else style
            self._console.print(Text.assemble((mark or "  ", colour), (text, style)), soft_wrap=True)

    def _texts(self, event: Event) -> Iterator[str]:
        where = self._where(event)
        took = "" if event.seconds is None else f" {event.seconds:.1f}s"
        for text in safe_lines(event.text, self._mask):
            yield f"{where}{text}{took}"

    def _line(self, event: Event) -> str:
        return self._where(event) + safe(event.text, self._mask)

    def _where(self, event: Event) -> str:
        return "".join(safe(part, self._mask) + " " for part in (event.host, event.step) if part)


class _Running:
    """A step that runs: its text, its last progress, and since when."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._said = ""
        self._begun = time.monotonic()
        self._spinner = Spinner("line")

    def say(self, progress: str) -> None:
        self._said = progress

    def spinner(self) -> Spinner:
        """This step's line, its wheel turned to the present."""
        seconds = int(time.monotonic() - self._begun)
        line = Text(self._text, no_wrap=True, overflow="ellipsis")
        if self._said:
            line.append("  " + self._said, "cyan")
        if seconds:
            line.append(f"  {seconds}s", "dim")
        self._spinner.update(text=line)
        return self._spinner
