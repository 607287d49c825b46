"""Commands killed at random moments, run again as a user would, and compared with ones that nobody killed.

Every command runs in a child that is forked from this process, which has imported everything already: a kill hits the
work, not Python's start. It must have no threads, which a fork would lose: OMP_NUM_THREADS=1. The moment is drawn from
the time that the unbroken command took.
"""

import ctypes
import hashlib
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

import birdnet_cli.cli.finetune_display
import birdnet_cli.cli.tables
import birdnet_cli.core.engine.extract
import birdnet_cli.core.engine.finetune
import birdnet_cli.core.engine.train_head  # noqa: F401
from birdnet_cli.cli.app import main
from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.errors import FbnError
from tests.core.engine.textures import write_textures
from tests.crash.faulty_disk import FaultyDisk

__all__ = ["CASES", "Case", "Machine"]

QUICK = ("--weights", "none", "--layer", "relu1_1", "--image-size", "16", "-q")


@dataclass(frozen=True)
class Case:
    """One command.

    Attributes:
        prepare: writes what it reads into an empty folder.
        arguments: of the first run.
        again: of a run after a kill, given the folder that both work in.
        results: what must be the same as without a kill, below that folder.
    """

    prepare: Callable[[Path], None]
    arguments: tuple[str, ...]
    again: Callable[[Path], tuple[str, ...]]
    results: tuple[str, ...]


def _many_images(folder: Path) -> None:
    # Three shards.
    rng = np.random.default_rng(0)
    for number in range(1100):
        place = folder / "data" / ("train" if number % 4 else "test") / f"class{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(place / f"{number:04d}.png")


def _cache(folder: Path) -> None:
    write_textures(folder / "data", train=8, test=2)
    _finish(("extract", "data", "-o", "a.h5", *QUICK, "--pooling", "bilinear", "-j", "0"), folder)


def _textures(folder: Path) -> None:
    write_textures(folder / "data", train=8, test=2)


def _another_cache(folder: Path) -> None:
    write_textures(folder / "data", train=8, test=2)
    _finish((*EXTRACT, "--image-size", "24"), folder)


def _another_run(folder: Path) -> None:
    write_textures(folder / "data", train=8, test=2)
    _finish((*FINETUNE, "--seed", "1", "--epochs", "1"), folder)


EXTRACT = ("extract", "data", "-o", "a.h5", *QUICK, "--pooling", "max,avg", "-j", "1", "-b", "64")
TRAIN_HEAD = ("train-head", "a.h5", "-o", "m.safetensors", "--weights", "none", "-q")
FINETUNE = (
    "finetune", "data", "-o", "run", "--network", "resnet164", "--set", "finetune.blocks=1", "--set",
    "finetune.width=4", "--head", "fb", "--image-size", "16", "--augment", "none", "--epochs", "3", "-b", "6",
    "--val-fraction", "0", "--set", "finetune.checkpoint_steps=2", "-j", "0", "-q", "--precision", "float32",
)  # fmt: skip
EXTRACT_ANEW, FINETUNE_ANEW = (*EXTRACT, "--overwrite"), (*FINETUNE, "--overwrite")

CASES = {
    "extract": Case(_many_images, EXTRACT, lambda _: EXTRACT, ("a.h5",)),
    "train-head": Case(
        _cache,
        TRAIN_HEAD,
        # What is finished is not overwritten by accident; then there is nothing to do again.
        lambda folder: () if (folder / "m.safetensors").exists() else TRAIN_HEAD,
        ("m.safetensors",),
    ),
    "finetune": Case(
        _textures,
        FINETUNE,
        lambda folder: (
            (*FINETUNE[:3], "run", "--resume", "-q") if (folder / "run" / "config.yaml").exists() else FINETUNE
        ),
        ("run/last.safetensors", "run/metrics.csv"),
    ),
    "extract --overwrite": Case(_another_cache, EXTRACT_ANEW, lambda _: EXTRACT_ANEW, ("a.h5",)),
    "finetune --overwrite": Case(
        _another_run, FINETUNE_ANEW, lambda _: FINETUNE_ANEW, ("run/last.safetensors", "run/metrics.csv")
    ),
}


class Machine:
    """One case in a folder of its own.

    Args:
        name: of `CASES`.
        folder: empty; the inputs, the unbroken run and each broken one get a folder in it.
        seed: of the moments.
    """

    def __init__(self, name: str, folder: Path, *, seed: int) -> None:
        self.name, self.case = name, CASES[name]
        self.folder = folder
        self.moments = random.Random(seed)
        (folder / "input").mkdir()
        self.case.prepare(folder / "input")
        whole = self._workplace("whole")
        started = time.monotonic()
        _finish(self.case.arguments, whole)
        self.seconds = time.monotonic() - started
        self.expected = self._results(whole)
        self.files = _listing(whole)
        self.largest = max((whole / result).stat().st_size for result in self.case.results)

    def round(self, kills: int = 1) -> tuple[int, list[str]]:
        """Kill a run so often, let it finish, and return how many kills found it alive, and what then differs."""
        place = self._workplace("broken")
        hit = 0
        torn: list[str] = []
        arguments = self.case.arguments
        for _ in range(kills):
            if arguments:
                hit += _kill(arguments, place, after=self.moments.uniform(0, 1.05 * self.seconds))
            torn += self._find_torn(place)
            arguments = self.case.again(place)
        if arguments:
            _finish(arguments, place)
        return hit, torn + self._compare(place)

    def starve(self, most: int) -> tuple[int, str, list[str]]:
        """Run while no file may grow beyond `most` bytes, then without that limit.

        Returns:
            The first run's exit code, what it said, and what differs after the second.
        """

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        place = self._workplace("broken")
        code, said = _listen(self.case.arguments, place, first=limit)
        wrong = _strays(place) + self._find_torn(place)
        if arguments := self.case.again(place):
            _finish(arguments, place)
        return code, said, wrong + self._compare(place)

    def count_changes(self) -> int:
        """Return how many changes the unbroken command makes below its folder; wants a preloaded disk."""
        place = self._workplace("broken")
        disk = FaultyDisk(place)
        _listen(self.case.arguments, place, first=lambda: disk.arm(0, "EIO"))
        shutil.rmtree(place)
        return disk.changes

    def strike(self, at: int, kind: str) -> tuple[str, int, str, list[str]]:
        """Run with one change that fails, run again with SIGKILL at a random one, then to the end.

        Args:
            at: which change of the first run, from 1.
            kind: of `faulty_disk.KINDS`.

        Returns:
            What was struck; the first run's exit code; what it said; and what it left or what differs at the end.
        """
        place = self._workplace("broken")
        disk = FaultyDisk(place)
        code, said = _listen(self.case.arguments, place, first=lambda: disk.arm(at, kind))
        struck = disk.struck
        if code == 0:
            # It did not matter: all is there already; what could not be removed is when the command runs again.
            if struck.startswith(("unlink", "rmdir")) and (arguments := self.case.again(place)):
                _finish(arguments, place)
            return struck, code, said, self._compare(place)
        wrong = self._find_torn(place)
        if kind in ("EIO", "ENOSPC") and not struck.startswith("unlink"):
            wrong += _strays(place)
        if arguments := self.case.again(place):
            later = self.moments.randint(1, max(at, 2))
            _listen(arguments, place, first=lambda: disk.arm(later, "SIGKILL"))
        if arguments := self.case.again(place):
            _finish(arguments, place)
        return struck, code, said, wrong + self._compare(place)

    def _find_torn(self, place: Path) -> list[str]:
        """Return which results are there and yet not whole."""
        torn = []
        for name in self.case.results:
            try:
                if name.endswith(".h5") and (place / name).exists():
                    FeatureCache.open(place / name).close()
                if name.endswith(".safetensors") and (place / name).exists():
                    load_file(place / name)
            except (FbnError, SafetensorError) as error:
                torn.append(f"{name} is not whole: {error}")
        return torn

    def _compare(self, place: Path) -> list[str]:
        wrong = [f"{name} differs" for name, digest in self._results(place).items() if digest != self.expected[name]]
        wrong += [f"{name} is left over" for name in sorted(_listing(place) - self.files)]
        shutil.rmtree(place)
        return wrong

    def _workplace(self, name: str) -> Path:
        # Hard links keep sizes and times, by which caches know their images, and cost nothing.
        return Path(shutil.copytree(self.folder / "input", self.folder / name, copy_function=os.link))

    def _results(self, place: Path) -> dict[str, str]:
        found = {}
        for name in self.case.results:
            data = (place / name).read_bytes()
            if name.endswith(".csv"):
                data = _without_times(data)
            found[name] = hashlib.sha256(data).hexdigest()
        return found


def _without_times(table: bytes) -> bytes:
    """Drop the columns of a metrics file that the clock and the machine decide."""
    rows = [line.split(b",") for line in table.splitlines()]
    kept = [column for column, name in enumerate(rows[0]) if name not in (b"images_per_second", b"memory_mb")]
    return b"\n".join(b",".join(row[column] for column in kept) for row in rows)


def _listing(folder: Path) -> set[str]:
    # Locks stay, empty, by design.
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in found if not name.endswith(".lock")}


def _strays(folder: Path) -> list[str]:
    return [f"{name} was left" for name in sorted(_listing(folder)) if ".tmp" in name]


def _listen(arguments: tuple[str, ...], folder: Path, *, first: Callable[[], None]) -> tuple[int, str]:
    """Run in a child that does `first` before, and return its exit code and what it said."""
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
        # With what C libraries do at an exit, and nothing of Python's that belongs to the parent.
        sys.stderr.flush()
        ctypes.CDLL(None).exit(code)


def _finish(arguments: tuple[str, ...], folder: Path) -> None:
    if code := _wait(_start(arguments, folder)):
        said = (folder.parent / "output.txt").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(arguments)}: exit code {code}: {said}")


def _wait(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _kill(arguments: tuple[str, ...], folder: Path, *, after: float) -> bool:
    child = _start(arguments, folder)
    time.sleep(after)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        # Not yet a group of its own, or over.
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
