"""The parts directory of an unfinished cache: its plan, the shards written so far, and fitted tensors.

`<out>.parts/` holds `plan.json`, `shard-000000.h5` and so on, `state.h5`, and the writer's lock. Everything in it
appears under its final name whole, so a process killed at any instruction loses at most the shard it was computing.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache.columns import decode_texts, read_column
from birdnet_cli.core.cache.disk import disk_error, estimate_space, require_space
from birdnet_cli.core.cache.fitted_tensors import FittedTensors, read_fitted_file, write_fitted_file
from birdnet_cli.core.cache.layout import STATUS_OK, chunk_rows, parts_directory, shard_path, state_path
from birdnet_cli.core.cache.plan import CachePlan, read_plan
from birdnet_cli.core.cache.resume import begin_or_resume
from birdnet_cli.core.cache.shard import checked_chunks, open_shard, write_shard_file
from birdnet_cli.core.cache.stored_rows import widen
from birdnet_cli.core.errors import CacheError

__all__ = ["Parts"]

BLOCK_BYTES = 32 << 20


class Parts:
    """An extraction in progress; a context manager that releases the writer's lock.

    Attributes:
        out: the cache file to be.
        plan: images, descriptors and settings of the extraction.
        notices: a line for each shard of an earlier run that was found damaged and is missing again.
    """

    def __init__(self, out: Path, plan: CachePlan, *, lock: filelock.BaseFileLock | None, notices: list[str]) -> None:
        self.out = out
        self.plan = plan
        self.notices = tuple(notices)
        self._lock = lock

    @classmethod
    def open(cls, out: Path, plan: CachePlan, *, overwrite: bool = False, resume: bool = True) -> "Parts | None":
        """Begin an extraction, or continue an unfinished extraction with the same plan.

        Args:
            out: the cache file to be.
            plan: images, descriptors and settings of the extraction.
            overwrite: replace a finished cache, and remove the parts of a run with other settings.
            resume: False removes the parts of a run with the same settings, too.

        Returns:
            The extraction, locked against a second writer; None if `out` is already finished with these settings.

        Raises:
            CacheError: `out` or its parts were made with other settings, which the message names; another process,
                which it names, is writing; or the directory cannot be written.
        """
        begun = begin_or_resume(out, plan, overwrite=overwrite, resume=resume)
        return None if begun is None else cls(out, plan, lock=begun[0], notices=begun[1])

    @classmethod
    def attach(cls, out: Path) -> "Parts":
        """Join, from a worker process, the extraction that another process opened; each worker writes its own shards.

        Raises:
            CacheError: no extraction into `out` is under way.
        """
        plan = read_plan(out)
        if plan is None:
            raise CacheError(f"{parts_directory(out)}: no extraction is under way here: begin one first")
        return cls(out, plan, lock=None, notices=[])

    def __enter__(self) -> "Parts":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock; the parts stay."""
        if self._lock is not None:
            self._lock.release()

    def remove(self) -> None:
        """Remove the parts, once the finished file exists, and release the lock."""
        # A worker that outlived its parent may add a file meanwhile; the next run then removes the rest.
        shutil.rmtree(parts_directory(self.out), ignore_errors=True)
        self.close()

    def missing_shards(self) -> list[int]:
        """Return the indices of the unfinished shards, ascending."""
        return [index for index in range(self.plan.shards) if not shard_path(self.out, index).exists()]

    def require_space(self, final: Mapping[str, int]) -> None:
        """Check that the disk holds the missing shards and the finished file, with a tenth to spare.

        Args:
            final: name -> D of the descriptors of the finished file.

        Raises:
            CacheError: the disk is too small; the message says how much is needed and free.
        """
        estimate = estimate_space(self.plan, final=final)
        missing = len(self.missing_shards()) / self.plan.shards
        require_space(self.out, int(estimate.parts * missing) + estimate.final)

    def write_shard(
        self,
        index: int,
        *,
        features: Mapping[str, NDArray[Any]],
        status: NDArray[np.uint8],
        errors: Sequence[str],
        sha256: NDArray[np.uint8],
    ) -> None:
        """Write, read back and publish one shard; the arguments are those of `write_shard_file`.

        Raises:
            CacheError: the shapes do not fit the plan, or the disk refused; finished shards stay valid.
            NumericsError: a good image's descriptor is not finite or overflows; the message names the image.
        """
        try:
            write_shard_file(
                shard_path(self.out, index),
                plan=self.plan,
                index=index,
                features=features,
                status=status,
                errors=errors,
                sha256=sha256,
            )
        except OSError as error:
            needed = estimate_space(self.plan, final={}).parts * len(self.plan.shard_range(index)) // self.plan.rows
            raise disk_error(self.out, error, needed=needed) from error

    def failures(self) -> list[tuple[str, str]]:
        """Return name and reason of every image that failed, over the shards written so far.

        Raises:
            CacheError: a shard is damaged.
        """
        found = []
        for index in range(self.plan.shards):
            path = shard_path(self.out, index)
            if path.exists():
                with open_shard(path, plan=self.plan, index=index) as file:
                    status, errors = read_column(file["status"]), decode_texts(read_column(file["error"]))
                rows = self.plan.shard_range(index)
                found += [(self.plan.names[rows[bad]], errors[bad]) for bad in np.flatnonzero(status != STATUS_OK)]
        return found

    def rows(self, name: str) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.bool_]]]:
        """Stream a descriptor of the plan over all shards, in row order.

        Yields:
            The first row's index; float32 [n, D], overwritten by the next step; bool [n], False for failed images.

        Raises:
            CacheError: a shard is missing or damaged.
        """
        D = self.plan.descriptors[name]
        r = chunk_rows(D, dtype=self.plan.dtype, rows=self.plan.rows)
        block = np.empty((r * max(1, BLOCK_BYTES // (4 * D * r)), D), np.float32)
        for index in range(self.plan.shards):
            path, start = shard_path(self.out, index), self.plan.shard_range(index).start
            with open_shard(path, plan=self.plan, index=index) as file:
                good = read_column(file["status"]) == STATUS_OK
                filled = 0
                for first, raw, _ in checked_chunks(file, name, path=path):
                    end = first + len(raw)
                    widen(raw, block[filled : filled + len(raw)])
                    filled += len(raw)
                    if end == len(good) or filled == len(block):
                        yield start + end - filled, block[:filled], good[end - filled : end]
                        filled = 0

    def save_state(self, state: FittedTensors) -> None:
        """Add fitted tensors to those saved already, for a resumed run and for the finished file.

        Args:
            state: descriptor -> tensor name -> array.

        Raises:
            CacheError: the disk refused.
            NumericsError: a tensor is not finite.
        """
        merged = self.load_state() | state
        try:
            write_fitted_file(state_path(self.out), merged)
        except OSError as error:
            needed = sum(tensor.nbytes for tensors in merged.values() for tensor in tensors.values())
            raise disk_error(self.out, error, needed=needed) from error

    def load_state(self) -> FittedTensors:
        """Return all fitted tensors saved so far; empty before the first `save_state`.

        Raises:
            CacheError: the file is damaged.
        """
        path = state_path(self.out)
        return read_fitted_file(path) if path.exists() else {}
