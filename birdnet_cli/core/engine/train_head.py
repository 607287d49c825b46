"""Feature cache -> model file: solve the head on the training split, and write all that a prediction needs."""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from birdnet_cli.core.backbones.recorded_weights import find_recorded_weights
from birdnet_cli.core.cache import STATUS_OK, FeatureCache
from birdnet_cli.core.data import group_images
from birdnet_cli.core.device import dtype_name, resolve_device
from birdnet_cli.core.errors import DataError, UsageError
from birdnet_cli.core.features.cached_rows import CachedRows, choose_descriptor, needs_standardizing
from birdnet_cli.core.features.origin import CacheOrigin, read_origin, rebuild_backbone
from birdnet_cli.core.heads import HeadFit, LinearHead, choose_solver, fit_head, stored_weight
from birdnet_cli.core.model import ModelDescription, write_model_file
from birdnet_cli.core.poolings import parse_pooling
from birdnet_cli.core.progress import FractionStages, Progress, SilentProgress
from birdnet_cli.core.provenance import software_versions
from birdnet_cli.core.recipe import HeadSettings, PoolingSettings

__all__ = ["TrainedHead", "train_head"]


@dataclass(frozen=True)
class TrainedHead:
    """The result of `train_head`.

    Attributes:
        output: the model file.
        sha256: SHA-256 of the model file, in hexadecimal.
        pooling: name of the descriptor.
        images: number of training images that the head was solved on.
        classes: number of classes.
        fit: the solution with its cross-validation.
        seconds: wall time of the call.
    """

    output: Path
    sha256: str
    pooling: str
    images: int
    classes: int
    fit: HeadFit
    seconds: float

    def summary(self) -> str:
        """Return a line for people."""
        return (
            f"{self.output}: {self.classes} classes, {self.images:,} training images, {self.pooling}, "
            f"C = {self.fit.C:.4g}; sha256 {self.sha256}; {self.seconds:.1f} s"
        )


def train_head(
    cache: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    pooling: str | None = None,
    settings: HeadSettings | None = None,
    groups: str | os.PathLike[str] | None = None,
    group_column: str = "group",
    weights: str = "auto",
    embed_backbone: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TrainedHead:
    """Solve for a linear head on a cache's training split and write a model file.

    Args:
        cache: a feature cache that `extract` wrote.
        output: the model file to write, `.safetensors`.
        pooling: name of a descriptor of the cache; None chooses the only descriptor.
        settings: loss, regularisation, cross-validation.
        groups: a CSV with the columns `path` and `group_column`; the images of a group, such as a photographer's, are
            never both trained on and judged in a fold of the cross-validation.
        group_column: the column of `groups`.
        weights: source of the backbone's weights, to be embedded: `auto`, `none` or a file; their sha256 must be the
            cache's.
        embed_backbone: False leaves the weights out: the file is smaller, and a prediction must find the weights.
        overwrite: replace an existing file.
        progress: follows the work.

    Raises:
        UsageError: the output exists, has no folder or another suffix; or the cache has several descriptors, and
            `pooling` is None.
        CacheError: the cache is absent, unfinished or damaged.
        DataError: the training split has fewer than two classes, or a class without an image; or `groups` lacks images.
        NumericsError: `settings` want W in float16, and training predictions would change.
        WeightsError: the weights to embed are not found, or have another sha256.
    """
    progress = progress or SilentProgress()
    settings = settings or HeadSettings()
    output = Path(output)
    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: a model file ends in .safetensors")
    if output.exists() and not overwrite:
        raise UsageError(f"{output}: exists already; choose another name or give --overwrite")
    if not output.parent.is_dir():
        # Checked before the solve, which may take hours.
        raise UsageError(f"{output}: there is no folder {output.parent}; make it, or choose another -o")
    started = time.monotonic()
    with FeatureCache.open(Path(cache)) as opened:
        name = choose_descriptor(opened, pooling)
        pooling_settings = parse_pooling(name)
        origin = read_origin(opened)
        if embed_backbone:
            # Missing weights are reported before the solve. They are read again after it, since held during the solve
            # they would be most of its memory.
            find_recorded_weights(origin.model_dump(), weights, owner=cache, progress=progress)
        wanted = _training_rows(opened)
        members = None
        if groups is not None:
            members = group_images([opened.names[row] for row in wanted], Path(groups), column=group_column)
        source = CachedRows(opened, name, wanted)
        if choose_solver(rows=source.rows, dim=source.dim, settings=settings) == "streamed":
            progress.note(
                f"{source.rows:,} images x {source.dim:,} values: the head is solved in passes over the cache, and C "
                "chosen on one fold; --solver exact would hold a matrix of images x images"
            )
        with FractionStages(progress) as follow:
            fit = fit_head(
                source,
                opened.labels[wanted],
                num_classes=len(opened.classes),
                settings=settings,
                standardize=needs_standardizing(name),
                groups=members,
                device=resolve_device(settings.device),
                progress=follow,
            )
        state = LinearHead.from_fit(fit).state_dict()
        state["weight"] = stored_weight(fit, source, settings, progress)
        found = {
            "C": fit.C,
            "solver": fit.solver,
            "weight_dtype": dtype_name(state["weight"].dtype),
            "grouped_by": None if groups is None else group_column,
            "cross_validation": [asdict(row) for row in fit.cross_validation],
        }
        description = _describe(
            opened.classes, origin, pooling_settings, settings.model_dump() | found, embedded=embed_backbone
        )
        fitted = {key: torch.from_numpy(value) for key, value in opened.state(name).items()}
        tensors = {"head": state, "pooling": fitted}
        if embed_backbone:
            tensors["backbone"] = rebuild_backbone(opened, weights=weights).state_dict()
        digest = write_model_file(output, description, tensors)
        return TrainedHead(output, digest, name, len(wanted), len(opened.classes), fit, time.monotonic() - started)


def _training_rows(cache: FeatureCache) -> NDArray[np.int64]:
    train = np.array([split == "train" for split in cache.splits])
    rows = np.flatnonzero(train & (cache.status == STATUS_OK) & (cache.labels >= 0))
    if not len(rows):
        raise DataError(f"{cache.path}: has no readable, labelled image of the split 'train'")
    absent = sorted(set(range(len(cache.classes))) - set(cache.labels[rows].tolist()))
    if absent:
        named = ", ".join(cache.classes[label] for label in absent[:5])
        raise DataError(f"{cache.path}: {len(absent)} classes have no readable training image: {named}")
    return rows


def _describe(
    classes: tuple[str, ...], origin: CacheOrigin, pooling: PoolingSettings, head: dict[str, Any], *, embedded: bool
) -> ModelDescription:
    return ModelDescription(
        classes=classes,
        backbone={
            "backbone": origin.backbone,
            "layer": origin.layer,
            "weights_sha256": origin.weights_sha256,
            "preprocessing": origin.preprocessing,
            "embedded": embedded,
        },
        transform=origin.transform,
        flip=origin.flip,
        pooling=pooling,
        head=head,
        provenance={
            "software": software_versions(),
            "data": origin.data,
            "precision": origin.precision,
            "weights_source": origin.weights_source,
        },
    )
