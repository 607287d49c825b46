"""Read batches ahead in worker processes, and report a worker's death with advice."""

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
        reader: a picklable data set that is indexed with an entry of `batches`.
        batches: lists of sample indices.
        workers: number of processes; 0 reads in this process.

    Yields:
        A value for each entry of `batches`, in order. Closing the generator ends the processes.

    Raises:
        UsageError: the number of workers is negative.
        FbnError: a worker process died, or shared memory is too small. It is raised in the main thread as soon as the
            death is known, so possibly while the caller works on a batch.
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
        reader: a data set that is indexed with an entry of `batches`.
        batches: lists of sample indices.
        workers: number of processes; 0 reads in this process.
    """
    with _interrupts_wait(), warnings.catch_warnings():
        # The user may choose more workers than cores; the other threads of this process are idle when it forks.
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
    """End the processes of an iterator of `_start_reading`, and wait for their ends."""
    # torch does this when it deletes the iterator, but the traceback of an error may keep the iterator alive.
    if hasattr(iterator, "_shutdown_workers"):
        iterator._shutdown_workers()


class _DeathWatch:
    """Replaces the RuntimeError that torch's SIGCHLD handler raises by an FbnError with advice.

    The error is mostly raised in the caller's code. torch installs its handler once for the process, and so does this
    class: several readers may live at once and end in any order, so no reader can restore the previous handler.

    Attributes:
        ending: how many readers are ending their processes, whose deaths are not reported.
    """

    def __init__(self) -> None:
        self.ending = 0
        self._installed: object = None

    def begin(self) -> None:
        """Install the handler around torch's, which torch installs when it starts processes."""
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
    """Return an error with advice if `error` means that a process died or lacks shared memory; else None."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "shared memory" in text or "file </torch_" in text:
        cause = "shared memory (/dev/shm) is full"
    elif not text.startswith("Caught ") and (isinstance(error, OSError | EOFError) or "DataLoader worker (pid" in text):
        # A dying process breaks its connection. A message that starts with "Caught" is an exception of a live process.
        cause = f"a process that reads images died, perhaps for want of memory ({text})"
    else:
        return None
    return FbnError(f"{cause}: lower --workers or --batch-size, or read in the main process with --workers 0")


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM after the block, because a half-built iterator would leave processes behind."""
    # Ctrl-C reaches the whole process group, but only the parent may act on it. SIGINT is blocked in the thread that
    # starts the processes, so that they inherit the block until they ignore the signal. In this process a mask is not
    # enough, because its other threads receive signals, too: the handlers are replaced.
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
    # The thread that sends batches reports here if the parent was interrupted while it received a batch.
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)
