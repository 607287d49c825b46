"""An extraction, from start to finished cache: fit or load, missing shards, component selections, one file."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from birdnet_cli.core.cache import FeatureCache, Parts, consolidate
from birdnet_cli.core.errors import DataError
from birdnet_cli.core.features.extraction import ComponentSelection, Extraction
from birdnet_cli.core.features.shards import write_missing_shards
from birdnet_cli.core.poolings import VarianceAccumulator
from birdnet_cli.core.progress import Progress, SilentProgress

__all__ = ["ExtractReport", "run_extraction", "select_components"]


@dataclass(frozen=True)
class ExtractReport:
    """The result of an extraction.

    Attributes:
        output: the finished cache.
        rows: images listed, failed images included.
        descriptors: descriptor name -> D.
        failures: `name: reason` of every image that could not be read.
        seconds: wall time of this run, without that of an earlier, interrupted run.
    """

    output: Path
    rows: int
    descriptors: dict[str, int]
    failures: tuple[str, ...]
    seconds: float

    def summary(self) -> str:
        """Return a line for people."""
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
        extraction: the images, the extractor and the plan.
        resume: False starts afresh.
        overwrite: replace a finished cache.
        on_error: `fail` stops at the first shard with an image that cannot be read; `skip` lists the image.
        max_errors: with `skip`, stop beyond this many failed images; None is no limit.
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
            parts.require_space(extraction.final_dims)
            _load_or_fit(extraction, parts, progress)
            allowed = 0 if on_error == "fail" else max_errors
            write_missing_shards(extraction, parts, nproc=nproc, allowed=allowed, progress=progress)
            derived = select_components(parts, extraction.selections)
            _save_selection_states(parts, derived)
            keep = [name for name in extraction.requested if name in extraction.computed]
            consolidate(parts, derived=derived, keep=keep, compress=compress)
    with FeatureCache.open(extraction.output) as cache:
        failures = tuple(f"{cache.names[row]}: {cache.errors[row]}" for row in np.flatnonzero(cache.status))
        seconds = time.monotonic() - started
        return ExtractReport(extraction.output, cache.rows, dict(cache.descriptors), failures, seconds)


def select_components(
    parts: Parts, selections: Mapping[str, ComponentSelection]
) -> dict[str, tuple[str, NDArray[np.int64]]]:
    """Choose the components that vary most over the readable training images.

    Args:
        parts: an extraction without missing shards.
        selections: descriptor name -> what it selects.

    Returns:
        Descriptor name -> name of the full descriptor, and ascending column indices [m].

    Raises:
        DataError: fewer than two training images could be read.
        UsageError: more components asked for than there are.
    """
    train = np.array([split == "train" for split in parts.plan.splits])
    derived = {}
    for source in dict.fromkeys(selection.source for selection in selections.values()):
        accumulator = VarianceAccumulator(parts.plan.descriptors[source])
        for start, block, good in parts.rows(source):
            wanted = good & train[start : start + len(block)]
            accumulator.update(torch.from_numpy(block[wanted]))
        if accumulator.count < 2:
            raise DataError("a variance selection is fitted on the training split, and fewer than 2 images were read")
        for name, selection in selections.items():
            if selection.source == source:
                derived[name] = (source, accumulator.top(selection.count).numpy())
    return derived


def _load_or_fit(extraction: Extraction, parts: Parts, progress: Progress) -> None:
    """Give the extractor the fit of an interrupted run; else fit it and save its state for a resumed run."""
    extractor = extraction.extractor
    state = parts.load_state()
    if state:
        extractor.load_state(state)
        return
    if extraction.needs_fit:
        rows = extraction.fit_rows()
        with progress.stage("fit the 1x1 reduction", total=len(rows), unit="images") as advance:
            extractor.fit(extraction.load_batches([rows]), on_images=advance)
    parts.save_state(extractor.state())


def _save_selection_states(parts: Parts, derived: Mapping[str, tuple[str, NDArray[np.int64]]]) -> None:
    """Save, for each selected descriptor, the state of its full descriptor and the selected columns."""
    states = parts.load_state()
    parts.save_state(
        {name: states.get(source, {}) | {"selection.indices": columns} for name, (source, columns) in derived.items()}
    )
