"""The processes that read images ahead: started quietly, and explained when one dies."""

import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType, TracebackType
from typing import TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from birdnet_cli.core.errors import FbnError, UsageError

__all__ = ["read_batches"]

B = TypeVar("B")


def read_batches(reader: Dataset[B], *, batches: Sequence[Sequence[int]], workers: int) -> Generator[B, None, None]:
    """Yield `reader[batch]` for each batch, in order, read ahead by worker processes.

    Args:
        reader: picklable; indexed with one entry of `batches`.
        batches: lists of sample indices.
        workers: number of processes; 0 reads in this one.

    Yields:
        One value per entry of `batches`. Closing the generator ends the processes.

    Raises:
        UsageError: a negative number of workers.
        FbnError: a worker process died, or shared memory is too small. Raised in the main thread as soon as the
            death is known, so it may surface while the caller works on a batch.
    """
    if workers < 0:
        raise UsageError(f"expected 0 or more workers, got {workers}")
    workers = min(workers, len(batches))
    iterator = _start_reading(reader, batches=batches, workers=workers)
    _watch.begin()
    try:
        while True:
            try:
                batch = next(iterator)
            except StopIteration:
                return
            except (RuntimeError, OSError, EOFError) as error:
                failure = _explain_death(error) if workers else None
                if failure is None:
                    raise
                raise failure from error
            yield batch
    finally:
        _watch.ending += 1
        try:
            _end_reading(iterator)
        finally:
            _watch.ending -= 1


def _start_reading(reader: Dataset[B], *, batches: Sequence[Sequence[int]], workers: int) -> Iterator[B]:
    """Return an iterator over `reader[batch]`, in order, with at most two batches per process prepared ahead.

    Args:
        reader: indexed with one entry of `batches`.
        batches: lists of sample indices.
        workers: number of processes; 0 reads in this one.
    """
    with _interrupts_wait(), warnings.catch_warnings():
        # More workers than cores is the user's choice; idle threads of this process do no harm to its forks.
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
        loader = DataLoader(
            reader,
            batch_size=None,
            sampler=batches,
            num_workers=workers,
            prefetch_factor=2 if workers else None,
            worker_init_fn=_leave_interrupts_to_the_parent,
            generator=torch.Generator(),
        )
        return iter(loader)


def _end_reading(iterator: Iterator[object]) -> None:
    """End the processes behind an iterator of `_start_reading`, and wait until they have."""
    # torch does this when it deletes the iterator, but the traceback of an error may keep that alive for long.
    if hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()


class _DeathWatch:
    """Adds the advice to the RuntimeError that torch's SIGCHLD handler raises, mostly in the midst of the caller.

    torch sets its handler once and for all, and so does this: several readers may live at once and end in any order,
    so none of them could give the signal back.

    Attributes:
        ending: how many readers are ending their processes, whose deaths are not reported.
    """

    def __init__(self) -> None:
        self.ending = 0
        self._installed: object = None

    def begin(self) -> None:
        """Take the signal from torch, which has taken it by the time that processes read."""
        if threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGCHLD)
        if callable(previous) and previous is not self._installed:
            handler = partial(self._handle, previous)
            signal.signal(signal.SIGCHLD, handler)
            self._installed = handler

    def _handle(
        self, previous: Callable[[int, FrameType | None], object], number: int, frame: FrameType | None
    ) -> None:
        try:
            previous(number, frame)
        except RuntimeError as error:
            failure = _explain_death(error)
            if failure is None:
                raise
            if not self.ending:
                raise failure from error


_watch = _DeathWatch()


def _explain_death(error: Exception) -> FbnError | None:
    """Return the error, with advice, if `error` means that a process died or lacks shared memory; else None."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "shared memory" in text or "file </torch_" in text:
        cause = "shared memory (/dev/shm) is full"
    elif not text.startswith("Caught ") and (isinstance(error, OSError | EOFError) or "DataLoader worker (pid" in text):
        # A broken connection is a process in the act of dying; "Caught" is an exception inside a living one.
        cause = f"a process that reads images died, perhaps for want of memory ({text})"
    else:
        return None
    return FbnError(f"{cause}: lower --workers or --batch-size, or read in the main process with --workers 0")


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM after the block: an iterator torn down half built leaves processes and a traceback."""
    # Ctrl-C reaches the whole process group, and the parent alone decides what follows. Blocked in the thread that
    # starts processes, the signal is never seen by one that has not yet come to ignore it. A mask is not enough for
    # this process, whose other threads take signals too: its handlers wait.
    arrived: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    waiting = {number: handler for number, handler in handlers.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        waiting = {}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    for number in waiting:
        signal.signal(number, lambda came, _frame: arrived.append(came))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in waiting.items():
            signal.signal(number, handler)
        for late in dict.fromkeys(arrived):
            signal.raise_signal(late)


def _leave_interrupts_to_the_parent(worker: int) -> None:  # noqa: ARG001
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _print_unless_disconnected


def _print_unless_disconnected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    # The thread that hands batches over reports here if the parent was interrupted while it fetched one.
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)
