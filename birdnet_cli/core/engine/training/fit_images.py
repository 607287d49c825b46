"""Some of the training images, as a validation sees them, for what is fitted before the first update."""

from collections.abc import Iterator, Sequence

from birdnet_cli.core.data import Batch, Sample, Transform, load_batches
from birdnet_cli.core.engine.training.watch import TrainingProgress
from birdnet_cli.core.recipe import FinetuneSettings, TransformSettings

__all__ = ["load_fit_images"]


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
    batches = [rows[start : start + settings.batch_size] for start in range(0, count, settings.batch_size)]
    transform = Transform(TransformSettings(image_size=settings.image_size, resize=settings.resize))
    with progress.stage(title, total=count, unit="images") as advance:
        for batch in load_batches(samples, transform=transform, batches=batches, workers=settings.workers):
            yield batch
            advance(len(batch.indices))
