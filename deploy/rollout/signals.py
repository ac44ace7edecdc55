"""Signals while hosts are being changed: noted when they come, and raised only where it is safe to."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from deploy.values.errors import SIGNALS, Interrupted


class Signals:
    """Notes signals instead of raising them, as long as it is entered.

    An exception that a handler raises comes out of whatever line the main thread is at, also between a change
    and the note that it has to be undone. Outside of the main thread, where Python allows no handler, and
    where none comes, it does nothing.
    """

    def __init__(self) -> None:
        self._unheard: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise the first signal that has come and was not raised yet.

        Raises:
            Interrupted: there is one.
        """
        if self._unheard:
            raise Interrupted(self._unheard.pop(0))

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._unheard.append(number)
