"""Commands that are killed or fail on a faulty disk, run again as a user would, and compared with undisturbed runs."""

import hashlib
import os
import random
import resource
import shutil
import signal
import time
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.errors import FbnError
from tests.crash.cases import CASES
from tests.crash.child import finish, kill, listen
from tests.crash.faulty_disk import FaultyDisk

__all__ = ["Machine"]


class Machine:
    """One case in a folder of its own.

    Args:
        name: of `CASES`.
        folder: empty; the inputs, the unbroken run and each broken run get a folder in it.
        seed: of the moments of kills, which are drawn from the time that the undisturbed command took.
    """

    def __init__(self, name: str, folder: Path, *, seed: int) -> None:
        self.name, self.case = name, CASES[name]
        self.folder = folder
        self.moments = random.Random(seed)
        (folder / "input").mkdir()
        self.case.prepare(folder / "input")
        whole = self._workplace("whole")
        started = time.monotonic()
        finish(self.case.arguments, whole)
        self.seconds = time.monotonic() - started
        self.expected = self._results(whole)
        self.files = _listing(whole)
        self.largest = max((whole / result).stat().st_size for result in self.case.results)

    def round(self, kills: int = 1) -> tuple[int, list[str]]:
        """Kill a run `kills` times, let it finish, and return how many kills found it alive, and the differences."""
        place = self._workplace("broken")
        found_alive = 0
        torn: list[str] = []
        arguments = self.case.arguments
        for _ in range(kills):
            if arguments:
                found_alive += kill(arguments, place, after=self.moments.uniform(0, 1.05 * self.seconds))
            torn += self._find_torn(place)
            arguments = self.case.again(place)
        if arguments:
            finish(arguments, place)
        return found_alive, torn + self._compare(place)

    def starve(self, most: int) -> tuple[int, str, list[str]]:
        """Run while no file may grow beyond `most` bytes, then without that limit.

        Returns:
            Exit code and output of the first run, and the differences after the second run.
        """

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        place = self._workplace("broken")
        code, said = listen(self.case.arguments, place, first=limit)
        wrong = _strays(place) + self._find_torn(place)
        if arguments := self.case.again(place):
            finish(arguments, place)
        return code, said, wrong + self._compare(place)

    def count_changes(self) -> int:
        """Return how many changes the unbroken command makes below its folder; wants a preloaded disk."""
        place = self._workplace("broken")
        disk = FaultyDisk(place)
        listen(self.case.arguments, place, first=lambda: disk.arm(0, "EIO"))
        shutil.rmtree(place)
        return disk.changes

    def strike(self, at: int, kind: str) -> tuple[str, int, str, list[str]]:
        """Run with a change that fails, run again with SIGKILL at a random change, then to the end.

        Args:
            at: number of the failing change of the first run, from 1.
            kind: a key of `faulty_disk.KINDS`.

        Returns:
            The failed call; exit code and output of the first run; and leftovers and differences at the end.
        """
        place = self._workplace("broken")
        disk = FaultyDisk(place)
        code, said = listen(self.case.arguments, place, first=lambda: disk.arm(at, kind))
        struck = disk.struck
        if code == 0:
            # The results are complete. A file that could not be removed is removed when the command runs again.
            if struck.startswith(("unlink", "rmdir")) and (arguments := self.case.again(place)):
                finish(arguments, place)
            return struck, code, said, self._compare(place)
        wrong = self._find_torn(place)
        if kind in ("EIO", "ENOSPC") and not struck.startswith("unlink"):
            wrong += _strays(place)
        if arguments := self.case.again(place):
            later = self.moments.randint(1, max(at, 2))
            listen(arguments, place, first=lambda: disk.arm(later, "SIGKILL"))
        if arguments := self.case.again(place):
            finish(arguments, place)
        return struck, code, said, wrong + self._compare(place)

    def _find_torn(self, place: Path) -> list[str]:
        """Return the results that exist but cannot be read."""
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
        # Hard links keep sizes and times, which are part of a data set's fingerprint, and cost nothing.
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
    """Drop the columns of a metrics file that depend on the clock and the machine."""
    rows = [line.split(b",") for line in table.splitlines()]
    kept = [column for column, name in enumerate(rows[0]) if name not in (b"images_per_second", b"memory_mb")]
    return b"\n".join(b",".join(row[column] for column in kept) for row in rows)


def _listing(folder: Path) -> set[str]:
    # Lock files stay, empty, by design.
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in found if not name.endswith(".lock")}


def _strays(folder: Path) -> list[str]:
    return [f"{name} was left" for name in sorted(_listing(folder)) if ".tmp" in name]
