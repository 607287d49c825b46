"""Rates on this machine: the whole extraction pipeline against the backbone alone, in both precisions."""

import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from birdnet_cli.core.backbones import resolve_precision
from birdnet_cli.core.data import open_dataset
from birdnet_cli.core.device import dtype_name, resolve_device
from birdnet_cli.core.errors import DataError
from birdnet_cli.core.features.extraction import Extraction
from birdnet_cli.core.features.run import run_extraction
from birdnet_cli.core.progress import Progress, SilentProgress
from birdnet_cli.core.recipe import ExtractSettings

__all__ = ["PipelineRates", "bench_extract"]


@dataclass(frozen=True, slots=True)
class PipelineRates:
    """Images per second, medians over interleaved repeats, in one precision.

    Attributes:
        precision: arithmetic of the backbone.
        pipeline: files on disk to a finished cache: read, hash, decode, resize, backbone, poolings, shards, final file.
        backbone: feature maps of image tensors in memory.
    """

    precision: str
    pipeline: float
    backbone: float

    @property
    def efficiency(self) -> float:
        """The pipeline's rate as a fraction of the backbone's."""
        return self.pipeline / self.backbone

    def to_json(self) -> dict[str, Any]:
        """Return the rates as a JSON object."""
        return asdict(self) | {"efficiency": self.efficiency}


def bench_extract(
    data: Path, *, settings: ExtractSettings, images: int, repeats: int, progress: Progress | None = None
) -> list[PipelineRates]:
    """Time pipeline and backbone, in float32 and in the precision that `auto` chooses, interleaved, on the same images.

    Args:
        data: a data set of at least one image; repeated to make up `images`.
        settings: settings of the extraction; `precision` is overruled.
        images: images per measurement.
        repeats: measurements of each; medians are returned.
        progress: follows the work.

    Raises:
        DataError: no data set there.
    """
    progress = progress or SilentProgress()
    dataset = open_dataset(data)
    dataset = replace(dataset, samples=dataset.samples[:images])
    if len(dataset.samples) < images:
        raise DataError(f"{data}: has {len(dataset.samples)} images; the measurement wants {images} (--images)")
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch, progress.stage("bench", total=4 * repeats, unit="runs") as advance:
        for repeat in range(repeats):
            for precision in ("float32", "auto"):
                chosen = settings.model_copy(update={"precision": precision})
                extraction = Extraction(dataset, Path(scratch, f"{precision}-{repeat}.h5"), settings=chosen)
                seconds[precision, "backbone"].append(_time_backbone(extraction))
                advance(1)
                seconds[precision, "pipeline"].append(run_extraction(extraction).seconds)
                advance(1)
    return [
        PipelineRates(
            precision=dtype_name(resolve_precision(precision, resolve_device(settings.device))),
            pipeline=images / statistics.median(seconds[precision, "pipeline"]),
            backbone=images / statistics.median(seconds[precision, "backbone"]),
        )
        for precision in ("float32", "auto")
    ]


def _time_backbone(extraction: Extraction) -> float:
    """Return the seconds that the feature maps of the extraction's images take, once these are in memory."""
    extractor = extraction.extractor
    batches = [batch.images for batch in extraction.load_batches([range(len(extraction.dataset.samples))])]
    with torch.inference_mode():
        extractor.feature_map(batches[0])
        started = time.perf_counter()
        for images in batches:
            extractor.feature_map(images)
        if extractor.device.type == "cuda":
            torch.cuda.synchronize(extractor.device)
        return time.perf_counter() - started
