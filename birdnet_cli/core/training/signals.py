"""SIGINT and SIGTERM during a training: the first signal stops it after the current update, the second at once."""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["InterruptHandler"]

NUMBERS = (signal.SIGINT, signal.SIGTERM)
# A terminal sends SIGINT to every process of a group, and a launcher forwards it to its processes: a process may get
# the same request twice. A signal within this time after the first is taken for the same request.
SAME_REQUEST_SECONDS = 1.0


class InterruptHandler:
    """Handles SIGINT and SIGTERM inside its block; does nothing in a thread other than the main thread.

    A signal that the caller ignores stays ignored.

    Attributes:
        received: number of the first signal that came, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # A shell lets its background jobs ignore SIGINT.
            handled = [number for number in NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._handle) for number in handled}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > SAME_REQUEST_SECONDS:
            raise SystemExit(128 + number)
