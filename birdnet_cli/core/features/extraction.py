"""One extraction, prepared: its images, its feature extractor, and the plan that a resumed run must match."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from birdnet_cli.core.backbones import create_backbone
from birdnet_cli.core.backbones.recorded_weights import find_weights
from birdnet_cli.core.cache import CachePlan, estimate_space
from birdnet_cli.core.data import Batch, ImageDataset, Transform, cut_batches, load_batches
from birdnet_cli.core.device import dtype_name, resolve_device
from birdnet_cli.core.errors import DataError, UsageError
from birdnet_cli.core.features.extractor import FeatureExtractor
from birdnet_cli.core.poolings import parse_pooling, pooling_name
from birdnet_cli.core.progress import Progress
from birdnet_cli.core.provenance import public_source, software_versions
from birdnet_cli.core.recipe import ExtractSettings, PoolingSettings, TransformSettings

__all__ = ["ComponentSelection", "Extraction"]


@dataclass(frozen=True, slots=True)
class ComponentSelection:
    """A descriptor made of the components of another descriptor that vary most over the training split.

    Attributes:
        source: name of the full descriptor.
        count: number of components to keep.
    """

    source: str
    count: int


class Extraction:
    """The description of one extraction: what it computes, from which images, and how.

    Args:
        dataset: the images; all its splits are extracted.
        output: the cache to write.
        settings: everything that decides the numbers.
        progress: follows a download of weights.

    Attributes:
        transform: turns an image into the backbone's input.
        requested: descriptor name -> settings, for the finished cache.
        computed: descriptor name -> settings, for the pass over the images; a selection's full descriptor is computed
            in place of the selection.
        selections: descriptor name -> the selection that makes it from a computed descriptor.
        weights: the backbone's weights.

    Raises:
        UnknownNameError: no such backbone or pooling.
        UsageError: settings that contradict each other.
        WeightsError: the backbone's weights are not found.
    """

    def __init__(
        self, dataset: ImageDataset, output: Path, *, settings: ExtractSettings, progress: Progress | None = None
    ) -> None:
        self.dataset = dataset
        self.output = output
        self.settings = settings
        self.transform = Transform(TransformSettings(image_size=settings.image_size, resize=settings.resize))
        self.requested = _requested_poolings(settings)
        self.computed: dict[str, PoolingSettings] = {}
        self.selections: dict[str, ComponentSelection] = {}
        for name, pooling in self.requested.items():
            full = pooling.model_copy(update={"select": None})
            source = pooling_name(full)
            self.computed[source] = full
            if pooling.select is not None:
                self.selections[name] = ComponentSelection(source, pooling.select)
        self.weights = find_weights(
            settings.backbone, settings.weights, preprocessing=settings.preprocessing, progress=progress
        )

    @cached_property
    def extractor(self) -> FeatureExtractor:
        """The backbone with every pooling that the pass computes; built on first use."""
        settings = self.settings
        backbone = create_backbone(settings.backbone, layer=settings.layer, weights=self.weights)
        device = resolve_device(settings.device)
        return FeatureExtractor.create(
            backbone, self.computed, device=device, precision=settings.precision, flip=settings.flip
        )

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
        if self.needs_fit:
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

    @property
    def needs_fit(self) -> bool:
        """Whether a pooling reduces channels, which is fitted on training images before the pass."""
        return any(pooling.reduce is not None for pooling in self.computed.values())

    @property
    def final_dims(self) -> dict[str, int]:
        """Descriptor name -> D of the finished cache, in the order asked for."""
        return {name: pooling.select or self.plan.descriptors[name] for name, pooling in self.requested.items()}

    def estimate(self) -> str:
        """Return what would be written, and how large it is, for `--dry-run`."""
        sizes = estimate_space(self.plan, final=self.final_dims)
        dims = ", ".join(f"{name} ({dim:,})" for name, dim in self.final_dims.items())
        return (
            f"{self.output}: {self.plan.rows:,} images; {dims}; {sizes.final / 1e6:,.1f} MB finished, "
            f"{sizes.peak / 1e6:,.1f} MB free space needed while writing"
        )

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


def _requested_poolings(settings: ExtractSettings) -> dict[str, PoolingSettings]:
    """Return canonical descriptor name -> settings of every descriptor that the finished cache shall hold."""
    poolings = [parse_pooling(text) for text in settings.pooling]
    if settings.reduce is not None:
        poolings = _with_default(poolings, {"bilinear", "compact"}, "reduce", settings.reduce)
    if settings.select is not None:
        poolings = _with_default(poolings, {"bilinear"}, "select", int(settings.select.removeprefix("variance:")))
    return {pooling_name(pooling): pooling for pooling in poolings}


def _with_default(poolings: list[PoolingSettings], names: set[str], option: str, value: int) -> list[PoolingSettings]:
    """Set `option` on each pooling of these names that does not set it itself."""
    if not any(pooling.name in names for pooling in poolings):
        raise UsageError(f"--{option} applies to {' and '.join(sorted(names))} poolings; --pooling has none")
    return [
        pooling.model_copy(update={option: value})
        if pooling.name in names and getattr(pooling, option) is None
        else pooling
        for pooling in poolings
    ]
