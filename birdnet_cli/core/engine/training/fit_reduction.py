"""A learned 1x1 reduction that has no values yet <- the PCA of training images' feature maps."""

from collections.abc import Iterator, Sequence

from birdnet_cli.core.data import Batch, Sample, Transform, load_batches
from birdnet_cli.core.engine.describer import Describer
from birdnet_cli.core.engine.fit_poolings import fit_reductions
from birdnet_cli.core.engine.training.classifier import Classifier
from birdnet_cli.core.engine.training.processes import Processes
from birdnet_cli.core.engine.training.watch import TrainingProgress
from birdnet_cli.core.recipe import FinetuneSettings, TransformSettings

__all__ = ["fit_reduction"]

FIT_IMAGES = 1000


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
        count = min(FIT_IMAGES, len(samples))
        rows = [index * len(samples) // count for index in range(count)]
        batches = [rows[start : start + settings.batch_size] for start in range(0, count, settings.batch_size)]
        describer = Describer(
            classifier.backbone, {"": classifier.pooling}, device=processes.device, precision="float32", flip=False
        )
        transform = Transform(TransformSettings(image_size=settings.image_size, resize=settings.resize))
        with progress.stage("fit the 1x1 reduction", total=count, unit="images") as advance:

            def followed() -> Iterator[Batch]:
                for batch in load_batches(samples, transform=transform, batches=batches, workers=settings.workers):
                    yield batch
                    advance(len(batch.indices))

            fit_reductions(describer, followed())
    weight, bias = reduction.weight.detach().clone(), reduction.bias.detach().clone()
    processes.share([weight, bias])
    reduction.load(weight, bias)
