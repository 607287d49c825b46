"""Two results of `evaluate`, or two models and the images to measure them on -> a paired comparison."""

import os
from pathlib import Path

from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.evaluation import Comparison, Evaluation, compare_evaluations, read_evaluation
from birdnet_cli.core.model import load_model
from birdnet_cli.core.progress import Progress

__all__ = ["compare"]

MODEL_SUFFIX = ".safetensors"


def compare(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    split: str = "test",
    data_format: str = "auto",
    bbox: bool = False,
    weights: str = "auto",
    precision: str = "auto",
    batch_size: int = 16,
    workers: int = 2,
    device: str = "auto",
    progress: Progress | None = None,
) -> Comparison:
    """Compare two models on the same images.

    Args:
        a: a file that `fbn evaluate --json` wrote, or a model file (`.safetensors`).
        b: as `a`; a result file can be compared with a model file.
        data: the images that models are measured on: a data set or a feature cache.
        split: the split of `data`: `train`, `val` or `test`.
        data_format: layout of the images: `auto`, `folder`, `cub`, `csv` or `rec`.
        bbox: crop to the data set's bounding boxes.
        weights: backbone weights, for models that do not embed them.
        precision: arithmetic of the backbone: `auto`, `float32` or `bfloat16`.
        batch_size: images per forward pass.
        workers: decoder processes.
        device: device of the models: `auto`, `cpu`, `cuda` or `cuda:N`.
        progress: follows the work.

    Raises:
        UsageError: a model without `data`, or `data` without a model.
        DataError: a file is not a result of `evaluate`, or the two results share no image.
    """
    paths = [Path(a), Path(b)]
    models = [path for path in paths if path.suffix == MODEL_SUFFIX]
    if models and data is None:
        raise UsageError(f"{models[0]}: a model needs images to be measured on: give --data, or results of evaluate")
    if data is not None and not models:
        raise UsageError(
            f"--data {data}: both are results already, which need no images; leave --data out, or give model files"
        )
    evaluations: list[Evaluation] = []
    for path in paths:
        if path.suffix != MODEL_SUFFIX or data is None:
            evaluations.append(read_evaluation(path))
            continue
        model = load_model(path, device=device, precision=precision, weights=weights)
        evaluations.append(
            evaluate(
                data, model, split=split, data_format=data_format, bbox=bbox, batch_size=batch_size, workers=workers,
                progress=progress,
            )
        )  # fmt: skip
        # Free the model before the next is loaded: both together may not fit in memory.
        del model
    return compare_evaluations(*evaluations)
