"""Images + a model -> class names and probabilities, a row for each image, unreadable images included."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from birdnet_cli.core.data import Batch, cut_batches, load_batches
from birdnet_cli.core.data.sources import expand_sources, list_samples
from birdnet_cli.core.model import Model, Prediction
from birdnet_cli.core.progress import Progress, SilentProgress

__all__ = ["predict"]

WINDOW = 1024  # images handed to the loader at a time, so that memory does not grow with the list of paths
INLINE = 8  # up to this many images, starting decoder processes costs more than it saves


def predict(
    sources: Iterable[str | os.PathLike[str]],
    model: Model,
    *,
    k: int = 5,
    batch_size: int = 16,
    workers: int | None = None,
    stdin: Iterable[str] = (),
    watch: Callable[[Batch, Sequence[Prediction]], None] | None = None,
    progress: Progress | None = None,
) -> Iterator[Prediction]:
    """Yield one row per image, in the order of `sources`.

    Args:
        sources: files, folders, globs, `.txt` lists, `.rec` files, or `-` (see `sources.expand_sources`).
        model: from `load_model`.
        k: class names per image.
        batch_size: images per forward pass.
        workers: decoder processes; None chooses 0 for a few images and 2 for many.
        stdin: lines that the source `-` reads.
        watch: called with each batch and its rows before the rows are yielded, such as an `EvidenceWriter`.
        progress: follows the work.

    Raises:
        UsageError: `batch_size` is below 1.
        DataError: a folder or pattern without an image. An image that cannot be read is a row with its error.
    """
    progress = progress or SilentProgress()
    images = list_samples(expand_sources((os.fspath(source) for source in sources), stdin=stdin))
    while samples := list(islice(images, WINDOW)):
        batches = cut_batches(range(len(samples)), size=batch_size)
        chosen = (0 if len(samples) <= INLINE else 2) if workers is None else workers
        with progress.stage("predict", total=len(samples), unit="images") as advance:
            for batch in load_batches(samples, transform=model.transform, batches=batches, workers=chosen):
                rows = model.rows(samples, batch, k)
                if watch is not None:
                    watch(batch, rows)
                yield from rows
                advance(len(batch.indices))
