"""A learned 1x1 reduction that has no values yet <- the PCA of training images' feature maps."""

from collections.abc import Sequence

from birdnet_cli.core.data import Sample
from birdnet_cli.core.engine.training.classifier import Classifier
from birdnet_cli.core.engine.training.fit_images import load_fit_images
from birdnet_cli.core.engine.training.processes import Processes
from birdnet_cli.core.engine.training.watch import TrainingProgress
from birdnet_cli.core.features.extractor import Describer
from birdnet_cli.core.features.fit_poolings import fit_reductions
from birdnet_cli.core.recipe import FinetuneSettings

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
        describer = Describer(
            classifier.backbone, {"": classifier.pooling}, device=processes.device, precision="float32", flip=False
        )
        title = "fit the 1x1 reduction"
        fit_reductions(
            describer,
            load_fit_images(samples, most=FIT_IMAGES, settings=settings, progress=progress, title=title),
        )
    weight, bias = reduction.weight.detach().clone(), reduction.bias.detach().clone()
    processes.share([weight, bias])
    reduction.load(weight, bias)
