"""An extraction, from start to finished cache: fits, missing shards, selections, one file."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.cache import FeatureCache, Parts, consolidate
from birdnet_cli.core.data import Batch
from birdnet_cli.core.features.extraction import Extraction
from birdnet_cli.core.features.extractor import load_poolings, pooling_states
from birdnet_cli.core.features.fit_poolings import fit_reductions, select_components
from birdnet_cli.core.features.shards import run_workers, write_shards
from birdnet_cli.core.progress import Advance, Progress, SilentProgress

__all__ = ["ExtractReport", "run_extraction"]


@dataclass(frozen=True)
class ExtractReport:
    """What an extraction wrote.

    Attributes:
        output: the finished cache.
        rows: images listed, failed ones included.
        descriptors: descriptor name -> D.
        failures: `name: reason` of every image that could not be read.
        seconds: wall time of this run; an earlier, interrupted one is not counted.
    """

    output: Path
    rows: int
    descriptors: dict[str, int]
    failures: tuple[str, ...]
    seconds: float

    def summary(self) -> str:
        """Return one line for people."""
        dims = ", ".join(f"{name} ({dim:,})" for name, dim in self.descriptors.items())
        return (
            f"{self.output}: {self.rows - len(self.failures):,} of {self.rows:,} images; {dims}; {self.seconds:.1f} s"
        )


def run_extraction(
    extraction: Extraction,
    *,
    resume: bool = True,
    overwrite: bool = False,
    on_error: Literal["fail", "skip"] = "fail",
    max_errors: int | None = None,
    compress: bool = False,
    nproc: int = 1,
    progress: Progress | None = None,
) -> ExtractReport:
    """Write the cache; finished shards of an interrupted run with the same settings are kept.

    Args:
        extraction: what to compute.
        resume: False starts afresh.
        overwrite: replace a finished cache.
        on_error: `fail` stops at the first shard with an image that cannot be read; `skip` lists it.
        max_errors: with `skip`, stop beyond this many; None is no limit.
        compress: compress the finished file.
        nproc: processes; with CUDA each has a device of its own, on the CPU they share the cores.
        progress: follows the work.

    Raises:
        DataError: more images than allowed cannot be read.
        CacheError: the output was made with other settings, is being written, or the disk is full.
        NumericsError: a descriptor is not finite.
    """
    progress = progress or SilentProgress()
    started = time.monotonic()
    backbone = extraction.extractor.backbone
    weights = extraction.weights
    progress.note(f"{backbone.name} {backbone.layer}: weights from {weights.source}, sha256 {weights.sha256}")
    parts = Parts.open(extraction.output, extraction.plan, overwrite=overwrite, resume=resume)
    if parts is None:
        progress.note(f"{extraction.output}: finished already with these settings")
    else:
        with parts:
            for notice in parts.notices:
                progress.note(notice)
            parts.require_space(extraction.final_dims())
            _fit(extraction, parts, progress)
            allowed = 0 if on_error == "fail" else max_errors
            if nproc > 1:
                run_workers(extraction, parts, nproc=nproc, allowed=allowed, progress=progress)
            else:
                _run_here(extraction, parts, allowed=allowed, progress=progress)
            derived = select_components(parts, extraction.requested)
            _save_derived_states(parts, derived)
            keep = [name for name in extraction.requested if name in extraction.computed]
            consolidate(parts, derived=derived, keep=keep, compress=compress)
    with FeatureCache.open(extraction.output) as cache:
        failures = tuple(f"{cache.names[row]}: {cache.errors[row]}" for row in np.flatnonzero(cache.status))
        seconds = time.monotonic() - started
        return ExtractReport(extraction.output, cache.rows, dict(cache.descriptors), failures, seconds)


def _fit(extraction: Extraction, parts: Parts, progress: Progress) -> None:
    state = parts.load_state()
    if state:
        load_poolings(extraction.extractor, state)
        return
    if any(one.reduce is not None for one in extraction.computed.values()):
        rows = extraction.fit_rows()
        with progress.stage("fit the 1x1 reduction", total=len(rows), unit="images") as advance:
            batches = extraction.load_batches([rows])
            fit_reductions(extraction.extractor, _followed(batches, advance))
    parts.save_state(pooling_states(extraction.extractor))


def _run_here(extraction: Extraction, parts: Parts, *, allowed: int | None, progress: Progress) -> None:
    missing = parts.missing_shards()
    total = sum(len(parts.plan.shard_range(index)) for index in missing)
    with progress.stage("extract", total=total, unit="images") as advance:
        for images in write_shards(extraction, parts, missing, allowed=allowed):
            advance(images)


def _save_derived_states(parts: Parts, derived: dict[str, tuple[str, NDArray[np.int64]]]) -> None:
    """Keep with each selected descriptor what its full one was fitted to, and the selected columns."""
    states = parts.load_state()
    parts.save_state(
        {name: states.get(source, {}) | {"selection.indices": columns} for name, (source, columns) in derived.items()}
    )


def _followed(batches: Iterable[Batch], advance: Advance) -> Iterator[Batch]:
    for batch in batches:
        yield batch
        advance(len(batch.indices))
