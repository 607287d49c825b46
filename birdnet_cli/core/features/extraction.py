"""One extraction, prepared: the images, the backbone with its poolings, and the plan that a resumed run must match."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from birdnet_cli.core.backbones import create_backbone
from birdnet_cli.core.backbones.recorded_weights import find_weights
from birdnet_cli.core.cache import CachePlan, estimate_space
from birdnet_cli.core.data import Batch, ImageDataset, Transform, cut_batches, load_batches
from birdnet_cli.core.device import dtype_name, resolve_device
from birdnet_cli.core.errors import DataError
from birdnet_cli.core.features.extractor import FeatureExtractor, build_poolings, requested_poolings, unselected
from birdnet_cli.core.poolings import pooling_name
from birdnet_cli.core.progress import Progress
from birdnet_cli.core.provenance import public_source, software_versions
from birdnet_cli.core.recipe import ExtractSettings, TransformSettings

__all__ = ["Extraction"]


class Extraction:
    """What one extraction computes and how.

    Args:
        dataset: the images; every one of its splits is extracted.
        output: the cache to write.
        settings: everything that decides the numbers.
        progress: follows a download of weights.

    Raises:
        UnknownNameError, UsageError: settings that name nothing or contradict each other.
        WeightsError: no backbone weights are to be found.
    """

    def __init__(
        self, dataset: ImageDataset, output: Path, *, settings: ExtractSettings, progress: Progress | None = None
    ) -> None:
        self.dataset = dataset
        self.output = output
        self.settings = settings
        self.transform = Transform(TransformSettings(image_size=settings.image_size, resize=settings.resize))
        self.requested = requested_poolings(settings)
        full = [unselected(one) for one in self.requested.values()]
        self.computed = {pooling_name(one): one for one in full}
        self.weights = find_weights(
            settings.backbone, settings.weights, preprocessing=settings.preprocessing, progress=progress
        )

    @cached_property
    def extractor(self) -> FeatureExtractor:
        """The backbone with every pooling that the pass computes; built on first use."""
        settings = self.settings
        backbone = create_backbone(settings.backbone, layer=settings.layer, weights=self.weights)
        device = resolve_device(settings.device)
        poolings = build_poolings(self.computed, backbone)
        return FeatureExtractor(backbone, poolings, device=device, precision=settings.precision, flip=settings.flip)

    @cached_property
    def plan(self) -> CachePlan:
        """Rows, descriptors and the fingerprint that a resumed extraction must match."""
        samples = self.dataset.samples
        extractor = self.extractor
        backbone = extractor.backbone
        fingerprint: dict[str, Any] = {
            "data": self.dataset.fingerprint(),
            "backbone": backbone.name,
            "layer": backbone.layer,
            "weights_sha256": self.weights.sha256,
            "preprocessing": backbone.preprocessing.to_json(),
            "transform": self.transform.settings.model_dump(),
            "flip": self.settings.flip,
            "precision": dtype_name(extractor.dtype),
            "descriptors": sorted(self.requested),
        }
        if any(one.reduce is not None for one in self.computed.values()):
            fingerprint["fit_images"] = self.settings.fit_images
        return CachePlan(
            names=tuple(sample.name for sample in samples),
            labels=tuple(sample.label for sample in samples),
            splits=tuple(sample.split for sample in samples),
            classes=self.dataset.classes,
            descriptors={name: pooling.dim for name, pooling in extractor.poolings.items()},
            dtype=self.settings.dtype,
            fingerprint=fingerprint,
            provenance={
                "software": software_versions(),
                "weights_source": public_source(self.weights.source),
                "settings": self.settings.model_dump(mode="json"),
                "bbox": any(sample.box is not None for sample in samples),
            },
        )

    def estimate(self) -> str:
        """Return what would be written, and how large it is, for `--dry-run`."""
        sizes = estimate_space(self.plan, final=self.final_dims())
        dims = ", ".join(f"{name} ({dim:,})" for name, dim in self.final_dims().items())
        return (
            f"{self.output}: {self.plan.rows:,} images; {dims}; {sizes.final / 1e6:,.1f} MB finished, "
            f"{sizes.peak / 1e6:,.1f} MB free space needed while writing"
        )

    def final_dims(self) -> dict[str, int]:
        """Return descriptor name -> D of the finished cache, in the order asked for."""
        return {name: one.select or self.plan.descriptors[name] for name, one in self.requested.items()}

    def load_batches(self, ranges: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Yield the images of each range of rows in batches of `settings.batch_size` that do not cross ranges."""
        size = self.settings.batch_size
        batches = [batch for rows in ranges for batch in cut_batches(rows, size=size)]
        workers = self.settings.workers
        return load_batches(self.dataset.samples, transform=self.transform, batches=batches, workers=workers)

    def fit_rows(self) -> Sequence[int]:
        """Return the rows of `settings.fit_images` training images, evenly spaced over the split.

        Raises:
            DataError: there is no training image.
        """
        train = [row for row, sample in enumerate(self.dataset.samples) if sample.split == "train"]
        if not train:
            raise DataError(f"{self.dataset.root}: a 1x1 reduction is fitted on the training split, which is left out")
        count = min(self.settings.fit_images, len(train))
        return [train[index * len(train) // count] for index in range(count)]
