"""SIGINT and SIGTERM during training: the first asks for a stop after the current step, the second stops at once."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["InterruptHandler"]

NUMBERS = (signal.SIGINT, signal.SIGTERM)
# A terminal sends Ctrl-C to every process of a group, and a launcher sends it on to its own: that is one wish.
ONE_WISH_SECONDS = 1.0


class InterruptHandler:
    """Handles both signals inside its block, in the main thread; elsewhere it does nothing.

    Attributes:
        received: the first signal that came, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # What the caller ignores, as a shell lets its background jobs ignore SIGINT, stays ignored.
            heeded = [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._handle) for number in heeded}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > ONE_WISH_SECONDS:
            raise SystemExit(128 + number)
