"""What poolings learn from the training split: the 1x1 PCA before the pass, which components to select after it."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch

from birdnet_cli.core.cache import Parts
from birdnet_cli.core.data import Batch
from birdnet_cli.core.errors import DataError
from birdnet_cli.core.features.extractor import FeatureExtractor, unselected
from birdnet_cli.core.poolings import PcaAccumulator, VarianceAccumulator, pooling_name
from birdnet_cli.core.recipe import PoolingSettings

__all__ = ["fit_reductions", "select_components"]


def fit_reductions(extractor: FeatureExtractor, batches: Iterable[Batch]) -> None:
    """Fit the PCA of every pooling that reduces channels on the positions of training images.

    Args:
        extractor: its poolings take the fit.
        batches: training images.

    Raises:
        DataError: no image could be read.
    """
    accumulator = PcaAccumulator(extractor.backbone.channels)
    with torch.inference_mode():
        for batch in batches:
            if batch.good:
                accumulator.update(extractor.feature_map(batch.images))
    if accumulator.count == 0:
        raise DataError("the 1x1 reduction is fitted on training images, and none could be read")
    for pooling in extractor.poolings.values():
        if pooling.reduction is not None:
            pooling.reduction.load(*accumulator.fit(len(pooling.reduction.bias)))


def select_components(parts: Parts, requested: Mapping[str, PoolingSettings]) -> dict[str, tuple[str, np.ndarray]]:
    """Choose the components of every requested variance selection from complete parts.

    Returns:
        Descriptor name -> name of the full descriptor, and ascending column indices [m].

    Raises:
        DataError: fewer than two training images could be read.
        UsageError: more components asked for than there are.
    """
    by_source: dict[str, dict[str, int]] = {}
    for name, one in requested.items():
        if one.select is not None:
            by_source.setdefault(pooling_name(unselected(one)), {})[name] = one.select
    train = np.array([split == "train" for split in parts.plan.splits])
    derived = {}
    for source, counts in by_source.items():
        accumulator = VarianceAccumulator(parts.plan.descriptors[source])
        for start, block, good in parts.rows(source):
            wanted = good & train[start : start + len(block)]
            accumulator.update(torch.from_numpy(block[wanted]))
        if accumulator.count < 2:
            raise DataError("a variance selection is fitted on the training split, and fewer than 2 images were read")
        for name, count in counts.items():
            derived[name] = (source, accumulator.top(count).numpy())
    return derived
