"""Feed damaged files to a parser. An error other than fbn's own, a hang, a crash and growing memory are findings."""

import gc
import os
import resource
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from birdnet_cli.core.errors import FbnError
from tests.fuzz.mutate import mutate
from tests.fuzz.parsers import PARSERS

__all__ = ["fuzz"]

SECONDS = 2
GROWTH = 200 * 2**20
# Inputs for each child process; when a child dies, the last input it began is named.
BATCH = 500


class _SlowError(Exception):
    pass


def fuzz(name: str, *, inputs: int, seed: int = 0) -> list[str]:
    """Feed damaged files to a parser, in child processes, and return the findings, a line each.

    Args:
        name: one of `PARSERS`.
        inputs: number of damaged files.
        seed: seed of the first file; file n has seed `seed + n`, with which it can be made again.
    """
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        seeds = PARSERS[name].seeds(Path(folder))
        for start in range(0, inputs, BATCH):
            findings += _in_a_child(name, seeds, range(seed + start, seed + min(start + BATCH, inputs)), Path(folder))
    return findings


def _in_a_child(name: str, seeds: list[Path], numbers: range, folder: Path) -> list[str]:
    log = folder / ".findings"
    log.write_text("")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with log.open("a", buffering=1) as stream:
                for line in _feed(name, seeds, numbers, log.with_name(".last")):
                    print(line, file=stream)
            code = 0
        finally:
            os._exit(code)
    # An alarm is handled between Python instructions, so a loop in C needs to be killed.
    watch = threading.Timer(SECONDS * len(numbers) + 60, os.kill, (child, signal.SIGKILL))
    watch.start()
    _, status = os.waitpid(child, 0)
    watch.cancel()
    findings = log.read_text().splitlines()
    last = int(log.with_name(".last").read_text())
    if code := os.waitstatus_to_exitcode(status):
        findings.append(f"{name} {last}: the process ended with {code}")
    elif last != numbers[-1]:
        findings.append(f"{name} {last}: nothing was read after it")
    return findings


def _feed(name: str, seeds: list[Path], numbers: range, last: Path) -> Iterator[str]:
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _raise_slow)
    sound = {path: path.read_bytes() for path in seeds}
    before = None
    for number in numbers:
        path = seeds[number % len(seeds)]
        last.write_text(str(number))
        path.write_bytes(mutate(sound[path], seed=number))
        try:
            with _limit():
                PARSERS[name].read(path)
        except FbnError:
            pass
        except _SlowError:
            yield f"{name} {number}: more than {SECONDS} s"
        except BaseException as error:
            yield f"{name} {number}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        finally:
            path.write_bytes(sound[path])
        if before is None and number - numbers.start >= 20:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    gc.collect()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - (before or 2**62)
    if grown > GROWTH:
        yield f"{name} {numbers.start} to {numbers.stop}: memory grew by {grown / 2**20:.0f} MiB"


@contextmanager
def _limit() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _raise_slow(_number: int, _frame: FrameType | None) -> None:
    raise _SlowError
