"""A command line in a child that is forked from this process, which has imported everything already.

So a kill hits the work, not Python's start. The process must have no threads, which a fork loses: OMP_NUM_THREADS=1.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import birdnet_cli.cli.display.tables
import birdnet_cli.cli.display.training
import birdnet_cli.core.engine.extract
import birdnet_cli.core.engine.finetune
import birdnet_cli.core.engine.train_head  # noqa: F401
from birdnet_cli.cli.app import main

__all__ = ["finish", "kill", "listen"]


def listen(arguments: tuple[str, ...], folder: Path, *, first: Callable[[], None]) -> tuple[int, str]:
    """Call `first` and run the command in a child; return its exit code and output."""
    reading, writing = os.pipe()
    child = _start(arguments, folder, first=first, output=writing)
    os.close(writing)
    with os.fdopen(reading, errors="replace") as stream:
        said = stream.read()
    return _wait(child), said


def _start(
    arguments: tuple[str, ...], folder: Path, *, first: Callable[[], None] | None = None, output: int | None = None
) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        if output is None:
            output = os.open("../output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(output, number)
            setattr(sys, name, open(number, "w", buffering=1, errors="replace", closefd=False))  # noqa: SIM115
        if first is not None:
            first()
        sys.argv = ["fbn", *arguments]
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        # Run the exit handlers of C libraries, but not those of Python, which belong to the parent.
        sys.stderr.flush()
        ctypes.CDLL(None).exit(code)


def finish(arguments: tuple[str, ...], folder: Path) -> None:
    """Run to the end.

    Raises:
        RuntimeError: the exit code is not 0.
    """
    if code := _wait(_start(arguments, folder)):
        said = (folder.parent / "output.txt").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(arguments)}: exit code {code}: {said}")


def _wait(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def kill(arguments: tuple[str, ...], folder: Path, *, after: float) -> bool:
    """Run, SIGKILL the process and its children `after` seconds, and return whether the process was still alive."""
    child = _start(arguments, folder)
    time.sleep(after)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        # Not yet a group of its own, or over.
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
