"""The pass over the images: batches -> descriptors -> finished shards, in this process or in several."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, spawn

from birdnet_cli.core.cache import STATUS_FAILED, Parts
from birdnet_cli.core.data import ImageDataset
from birdnet_cli.core.device import resolve_device
from birdnet_cli.core.errors import DataError, FbnError
from birdnet_cli.core.features.extraction import Extraction
from birdnet_cli.core.progress import Progress
from birdnet_cli.core.recipe import ExtractSettings

__all__ = ["require_few_failures", "write_missing_shards"]

POLL_SECONDS = 0.5
NAMED_FAILURES = 5


def write_missing_shards(
    extraction: Extraction, parts: Parts, *, nproc: int, allowed: int | None, progress: Progress
) -> None:
    """Compute and write every shard that an earlier run has not finished.

    Args:
        extraction: the images, and the extractor, fitted.
        parts: where the shards go; holds the extractor's state, which the processes load.
        nproc: processes; each owns every nproc-th missing shard.
        allowed: images that may fail, failed images of finished shards included; None is no limit.
        progress: follows the work.

    Raises:
        DataError: more images than `allowed` cannot be read.
        NumericsError: a descriptor is not finite.
        CacheError: the disk refused.
        FbnError: a process failed; the message is that of its error.
    """
    missing = parts.missing_shards()
    if nproc > 1:
        _write_in_processes(extraction, parts, missing, nproc=nproc, allowed=allowed, progress=progress)
        return
    total = sum(len(parts.plan.shard_range(index)) for index in missing)
    with progress.stage("extract", total=total, unit="images") as advance:
        for images in _write_shards(extraction, parts, missing, allowed=allowed):
            advance(images)


def require_few_failures(failures: Sequence[str], allowed: int | None) -> None:
    """Refuse more failed images than are allowed.

    Raises:
        DataError: more failed; the message names the first few.
    """
    if allowed is not None and len(failures) > allowed:
        named = "; ".join(failures[:NAMED_FAILURES])
        raise DataError(
            f"{len(failures)} images cannot be read ({allowed} allowed): {named}. Remove or repair them, or list and "
            "skip them with --on-error skip"
        )


def _write_shards(extraction: Extraction, parts: Parts, shards: Sequence[int], *, allowed: int | None) -> Iterator[int]:
    """Compute and write shards one after the other; yield the number of images after each batch.

    A shard whose failures exceed `allowed` is not written, so that a rerun reads its images again.
    """
    failures = [f"{name}: {reason}" for name, reason in parts.failures()]
    require_few_failures(failures, allowed)
    ranges = [parts.plan.shard_range(index) for index in shards]
    batches = extraction.load_batches(ranges)
    extractor = extraction.extractor
    for index, rows in zip(shards, ranges, strict=True):
        n = len(rows)
        features = {name: np.zeros((n, dim), np.float32) for name, dim in parts.plan.descriptors.items()}
        status = np.zeros(n, np.uint8)
        errors = [""] * n
        sha256 = np.zeros((n, 32), np.uint8)
        done = 0
        while done < n:
            batch = next(batches)
            for failure in batch.failures:
                status[done + failure.position] = STATUS_FAILED
                errors[done + failure.position] = failure.reason
                failures.append(f"{failure.name}: {failure.reason}")
            if batch.good:
                places = done + np.array(batch.good)
                for name, descriptors in extractor(batch.images).items():
                    features[name][places] = descriptors.cpu().numpy()
            digests = np.frombuffer(b"".join(batch.digests), np.uint8)
            sha256[done : done + len(batch.indices)] = digests.reshape(-1, 32)
            done += len(batch.indices)
            yield len(batch.indices)
        require_few_failures(failures, allowed)
        parts.write_shard(index, features=features, status=status, errors=errors, sha256=sha256)


def _write_in_processes(
    extraction: Extraction, parts: Parts, missing: list[int], *, nproc: int, allowed: int | None, progress: Progress
) -> None:
    arguments = (extraction.dataset, extraction.output, extraction.settings, missing, nproc, allowed)
    context = spawn(_work, args=arguments, nprocs=nproc, join=False)  # type: ignore[no-untyped-call]
    with progress.stage("extract", total=len(missing), unit="shards") as advance:
        left = len(missing)
        try:
            finished = False
            while not finished:
                finished = context.join(timeout=POLL_SECONDS)
                now = len(parts.missing_shards())
                advance(left - now)
                left = now
        except ProcessRaisedException as error:
            # The text ends in the process's own traceback, whose last line is `module.Class: message`.
            last = str(error).strip().splitlines()[-1]
            raise FbnError(last.partition(": ")[2] or last) from error
        except ProcessExitedException as error:
            raise FbnError(f"a process of the extraction died: {error}; rerun to resume, or lower --nproc") from error
    require_few_failures([f"{name}: {reason}" for name, reason in parts.failures()], allowed)


def _work(
    rank: int,
    dataset: ImageDataset,
    output: Path,
    settings: ExtractSettings,
    missing: list[int],
    nproc: int,
    allowed: int | None,
) -> None:
    torch.set_num_threads(max(1, torch.get_num_threads() // nproc))
    if resolve_device(settings.device).type == "cuda":
        settings = settings.model_copy(update={"device": f"cuda:{rank % torch.cuda.device_count()}"})
    extraction = Extraction(dataset, output, settings=settings)
    parts = Parts.attach(output)
    extraction.extractor.load_state(parts.load_state())
    for _ in _write_shards(extraction, parts, missing[rank::nproc], allowed=allowed):
        pass
