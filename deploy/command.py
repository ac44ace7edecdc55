"""What every task has in common: its settings, its stream of events, its signals and its exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from invoke import Context, Exit, Task, task

from deploy.values.account import ending_of
from deploy.values.errors import PENDING, SIGNALS, Failure, InputError, Interrupted, exit_code
from deploy.values.events import Stream

if TYPE_CHECKING:
    from deploy.output.mask import Mask
    from deploy.values.settings import Settings

Value = TypeVar("Value")

EVENTS = Path("build", "logs", "events.jsonl")
"""What every task that changes something did, step by step, one JSON object a line."""


class Run:
    """One call of a task: where it runs, what it reads, and where it tells what happens.

    `stream` takes progress (standard error); what `show` prints is data (standard output).
    """

    def __init__(self, root: Path, *, keeps_events: bool = False) -> None:
        from deploy.output import terminal
        from deploy.output.mask import Mask

        self.root = root
        self.hooked = False
        self.environ = dict(os.environ)
        self.mask: Mask = Mask()
        self.stream = Stream(terminal.listener(sys.stderr, self.mask))
        if keeps_events:
            self._keep_record()

    def _keep_record(self) -> None:
        from deploy.output.audit import audit_writer
        from deploy.output.events_log import EventsLog
        from deploy.output.junit import junit_writer
        from deploy.output.record import Recorder, result_writer

        writers = [write(self.root, self.mask) for write in (result_writer, junit_writer, audit_writer)]
        self.recorder = Recorder(*writers)
        self.stream.listen(EventsLog(self.root / EVENTS, self.mask))
        self.stream.listen(self.recorder)

    def begin(self, task: str, options: str = "") -> None:
        """Let it be known which task this is, with which options, and in whose name it runs."""
        from deploy.output.record import forget

        forget(self.root, task)
        job = self.environ.get("BUILD_URL") or self.environ.get("CI_JOB_URL") or ""
        self.stream.fact(task=task, options=options, by=who(), job=job)

    def hook_after(self, error: BaseException | None) -> None:
        """Run the hook that follows a release; whatever becomes of it, the release's own end stays.

        Raises:
            Interrupted: while the hook of a release that is in service ran.
        """
        from deploy.hooks import HookFailed, facts_of, hook_after, run_hook
        from deploy.output.record import RELEASING

        account = replace(self.recorder.account(), ending=ending_of(error))
        name = hook_after(account, error) if account.fact("task") in RELEASING else ""
        if not name:
            return
        self.hooked = True
        try:
            with _signals():
                run_hook(name, facts_of(account, self.mask), root=self.root, stream=self.stream)
        except HookFailed as failed:
            self.stream.warning(f"{failed.what} {failed.why}".strip(), step=failed.step)
        except Interrupted as again:
            if error is None:
                what = f"Interrupted after the commit: the release is in service; hooks/{name} was ended."
                raise Interrupted(again.signal_number, what) from None
            self.stream.warning(f"hooks/{name} was ended by a signal.")

    def end(self, error: BaseException | None) -> None:
        """Let those who keep a record write it; a disk that refuses is told, and changes nothing else."""
        try:
            self.stream.emit("ended", "", data=asdict(ending_of(error)))
        except OSError as refused:
            self.stream.warning(f"No record was written of this: {refused}.")

    def settings(self, profile: str) -> "Settings":
        """Read the settings of a profile; what is secret in them is masked from now on."""
        from deploy.profiles import load

        settings = load(self.root, profile, self.environ)
        self.mask.learn(settings.secret_values())
        self.stream.fact(app=settings.app_name, profile=settings.profile)
        for note in settings.notes:
            self.stream.note(note)
        return settings

    def show(self, text: str) -> None:
        """Print data."""
        sys.stdout.write(self.mask(text).rstrip("\n") + "\n")
        sys.stdout.flush()

    def table(self, rows: Sequence[Mapping[str, object]], *, json: bool) -> None:
        """Print rows of data, for people or as JSON."""
        from deploy.output import report

        self.show(report.as_json(rows, self.mask) if json else report.table(rows, self.mask))


def who() -> str:
    """In whose name this runs: `user@machine`."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def pending() -> Exit:
    """The end of a `plan` that found something to do: no failure, but not 0 either."""
    return Exit(code=PENDING)


class Verb(Task):  # type: ignore[type-arg]  # Invoke's Task is generic in a way that its decorator is not
    """A task whose body takes a Run instead of Invoke's context, and whose failures become exit codes.

    Tasks are equal only when they are the same one: Invoke compares the code of their bodies, and leaves out
    a task that it believes to have run already.
    """

    changing = False
    full_name = ""
    """With its namespace, where it is in one."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the body."""
        context, *rest = args
        run = Run(Path.cwd(), keeps_events=self.changing)
        with _exits(run.mask, debug="--debug" in sys.argv):
            self._refuse_dry(context)
            self.times_called += 1
            with self._recorded(run, options), _signals():
                return self.body(run, *rest, **options)

    def _recorded(self, _run: Run, _options: Mapping[str, object]) -> AbstractContextManager[None]:
        return nullcontext()

    def _refuse_dry(self, context: Context) -> None:
        if self.changing and context.config.run.dry:
            raise InputError(
                f"`{self.name}` cannot be tried with --dry.",
                why="Invoke's --dry covers shell commands only, and this task works without any.",
                advice="Run `invoke plan` to see what a deploy would do.",
            )


class ChangingVerb(Verb):
    """A task that changes something, here or on a host; what it came to is kept."""

    changing = True

    @contextmanager
    def _recorded(self, run: Run, options: Mapping[str, object]) -> Iterator[None]:
        given = " ".join(
            f"--{name}={value}" for name, value in options.items() if value and name != "profile"
        )
        run.begin(self.full_name or self.name, given)
        try:
            yield
            run.hook_after(None)
        except BaseException as error:
            if not isinstance(error, Interrupted) or not run.hooked:
                run.hook_after(error)
            run.end(error)
            raise
        run.end(None)


def reads(**options: Any) -> Callable[[Callable[..., Any]], Verb]:
    """Make a task that only reads."""
    return task(klass=Verb, auto_shortflags=False, **options)


def changes(**options: Any) -> Callable[[Callable[..., Any]], Verb]:
    """Make a task that changes something; it has no short flags, so that `-h` cannot run it."""
    return task(klass=ChangingVerb, auto_shortflags=False, **options)


def option(name: str, text: str, parse: Callable[[str], Value]) -> Value:
    """Read the value of an option.

    Raises:
        InputError: it does not fit; says what to write.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(f"{name}={text}: {error}.") from None


@contextmanager
def _exits(mask: "Mask", *, debug: bool) -> Iterator[None]:
    """Turn a failure into what the user reads and the exit code; a defect into 1."""
    from deploy.output import report

    try:
        yield
    except Failure as failure:
        if debug:
            sys.stderr.write(mask(traceback.format_exc()))
        sys.stderr.write(report.failure(failure, mask) + "\n")
        raise Exit(code=exit_code(failure)) from None
    except (Exit, SystemExit):
        raise
    except Exception as error:  # noqa: BLE001 - the one place where a defect becomes an exit code
        if debug:
            sys.stderr.write(mask(traceback.format_exc()))
        sys.stderr.write(report.failure(_defect(error), mask) + "\n")
        raise Exit(code=1) from None


def _defect(error: Exception) -> Failure:
    return Failure(
        "A defect in Jarship, not in what you typed.",
        why=f"{type(error).__name__}: {error}",
        advice="Run the same with --debug and keep what it prints.",
    )


@contextmanager
def _signals() -> Iterator[None]:
    """Make the first SIGINT, SIGTERM or SIGHUP an Interrupted in the main thread, the second one too.

    Python's own SIGTERM skips every `finally`; Jenkins ends an aborted job with it.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
