"""Fits before the first update: the 1x1 reduction of a pooling, and the confidence of a head that was solved before."""

from collections.abc import Iterator, Sequence

import torch

from birdnet_cli.core.data import Batch, Sample, Transform, cut_batches, load_batches
from birdnet_cli.core.features.extractor import FeatureExtractor
from birdnet_cli.core.heads import fit_temperature
from birdnet_cli.core.recipe import TransformSettings
from birdnet_cli.core.training.context import TrainingContext
from birdnet_cli.core.training.setup.classifier import Classifier

__all__ = ["fit_confidence", "fit_reduction"]

REDUCTION_IMAGES = 1000
CONFIDENCE_IMAGES = 512


def fit_reduction(classifier: Classifier, samples: Sequence[Sample], context: TrainingContext) -> None:
    """Fit the pooling's 1x1 reduction by PCA; nothing is done without a reduction, or if it is fitted already.

    Rank 0 fits it, and all processes take the fit.

    Args:
        classifier: the classifier, on its device.
        samples: training images; at most 1,000 of them, evenly spaced, are used.
        context: settings of the images, processes, progress.
    """
    reduction = classifier.pooling.reduction if classifier.pooling is not None else None
    if classifier.pooling is None or reduction is None or reduction.fitted:
        return
    processes = context.processes
    if processes.writes:
        extractor = FeatureExtractor(
            classifier.backbone, {"": classifier.pooling}, device=processes.device, precision="float32", flip=False
        )
        images = _load_images(samples, context, most=REDUCTION_IMAGES, title="fit the 1x1 reduction")
        extractor.fit(images)
    weight, bias = reduction.weight.detach().clone(), reduction.bias.detach().clone()
    processes.broadcast([weight, bias])
    reduction.load(weight, bias)


@torch.no_grad()
def fit_confidence(classifier: Classifier, samples: Sequence[Sample], context: TrainingContext) -> None:
    """Divide the scores of a head that was solved before by the T >= 1 that suits the smoothed labels best.

    Without label smoothing nothing is done: the loss rewards any confidence.

    Args:
        classifier: the classifier, on its device.
        samples: training images; at most 512 of them, evenly spaced, are used.
        context: `label_smoothing` and the settings of the images; processes, of which rank 0 fits for all; progress.
    """
    smoothing, processes = context.settings.label_smoothing, context.processes
    if not smoothing:
        return
    factor = 0.0
    if processes.writes:
        classifier.eval()
        scores, labels = [], []
        for batch in _load_images(samples, context, most=CONFIDENCE_IMAGES, title="fit the head's confidence"):
            if batch.good:
                scores.append(classifier(batch.images.to(processes.device)).float().cpu())
                labels += [samples[batch.indices[position]].label for position in batch.good]
        if labels:
            factor = max(1.0, fit_temperature(torch.cat(scores), torch.tensor(labels), smoothing=smoothing))
    (factor,) = processes.sum([factor])
    if factor > 1:
        classifier.head.soften(factor)
        context.progress.note(
            f"the head's scores are divided by {factor:.3g}: it was more certain than smoothed labels allow"
        )


def _load_images(samples: Sequence[Sample], context: TrainingContext, *, most: int, title: str) -> Iterator[Batch]:
    """Yield batches of at most `most` evenly spaced images, as a validation would see them, with progress."""
    settings = context.settings
    count = min(most, len(samples))
    rows = [index * len(samples) // count for index in range(count)]
    batches = cut_batches(rows, size=settings.batch_size)
    transform = Transform(TransformSettings(image_size=settings.image_size, resize=settings.resize))
    with context.progress.stage(title, total=count, unit="images") as advance:
        for batch in load_batches(samples, transform=transform, batches=batches, workers=settings.workers):
            yield batch
            advance(len(batch.indices))
