"""Some of the training images, as a validation sees them, for what is fitted before the first update."""

from collections.abc import Iterator, Sequence

import torch

from birdnet_cli.core.data import Batch, Sample, Transform, cut_batches, load_batches
from birdnet_cli.core.features.extractor import FeatureExtractor
from birdnet_cli.core.heads import fit_temperature
from birdnet_cli.core.recipe import FinetuneSettings, TransformSettings
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.progress import TrainingProgress
from birdnet_cli.core.training.setup.classifier import Classifier

__all__ = ["fit_confidence", "fit_reduction", "load_fit_images"]

REDUCTION_IMAGES = 1000
CONFIDENCE_IMAGES = 512


def load_fit_images(
    samples: Sequence[Sample], *, most: int, settings: FinetuneSettings, progress: TrainingProgress, title: str
) -> Iterator[Batch]:
    """Yield batches of at most `most` images, evenly spaced.

    Args:
        samples: training images.
        most: images in all.
        settings: image size, batch size, workers.
        progress: gets a stage of this title.
        title: what is fitted.
    """
    count = min(most, len(samples))
    rows = [index * len(samples) // count for index in range(count)]
    batches = cut_batches(rows, size=settings.batch_size)
    transform = Transform(TransformSettings(image_size=settings.image_size, resize=settings.resize))
    with progress.stage(title, total=count, unit="images") as advance:
        for batch in load_batches(samples, transform=transform, batches=batches, workers=settings.workers):
            yield batch
            advance(len(batch.indices))


def fit_reduction(
    classifier: Classifier,
    samples: Sequence[Sample],
    *,
    settings: FinetuneSettings,
    processes: Processes,
    progress: TrainingProgress,
) -> None:
    """Fit the reduction, where there is one without values, in rank 0, and give all processes the fit.

    Args:
        classifier: on its device.
        samples: training images; at most 1,000 of them, evenly spaced, are used.
        settings: image size, batch size, workers.
        processes: who takes part.
        progress: follows the work.
    """
    reduction = classifier.pooling.reduction if classifier.pooling is not None else None
    if classifier.pooling is None or reduction is None or reduction.fitted:
        return
    if processes.writes:
        extractor = FeatureExtractor(
            classifier.backbone, {"": classifier.pooling}, device=processes.device, precision="float32", flip=False
        )
        title = "fit the 1x1 reduction"
        extractor.fit(
            load_fit_images(samples, most=REDUCTION_IMAGES, settings=settings, progress=progress, title=title)
        )
    weight, bias = reduction.weight.detach().clone(), reduction.bias.detach().clone()
    processes.broadcast([weight, bias])
    reduction.load(weight, bias)


@torch.no_grad()
def fit_confidence(
    classifier: Classifier,
    samples: Sequence[Sample],
    *,
    settings: FinetuneSettings,
    processes: Processes,
    progress: TrainingProgress,
) -> None:
    """Divide the scores of a head that has learned before by a T >= 1, the best for the smoothed labels of training.

    Args:
        classifier: on its device.
        samples: training images; at most 512 of them, evenly spaced, are used.
        settings: `label_smoothing`; without any, every certainty is rewarded and nothing is done.
        processes: who takes part; rank 0 fits for all.
        progress: follows the work.
    """
    if not settings.label_smoothing:
        return
    factor = 0.0
    if processes.writes:
        classifier.eval()
        scores, labels = [], []
        title = "fit the head's confidence"
        for batch in load_fit_images(
            samples, most=CONFIDENCE_IMAGES, settings=settings, progress=progress, title=title
        ):
            if batch.good:
                scores.append(classifier(batch.images.to(processes.device)).float().cpu())
                labels += [samples[batch.indices[position]].label for position in batch.good]
        if labels:
            fitted = fit_temperature(torch.cat(scores), torch.tensor(labels), smoothing=settings.label_smoothing)
            factor = max(1.0, fitted)
    (factor,) = processes.sum([factor])
    if factor > 1:
        classifier.head.soften(factor)
        progress.note(f"the head's scores are divided by {factor:.3g}: it was more certain than smoothed labels allow")
