"""Where the classifier that is trained comes from: pretrained weights, a model file, or a run's own checkpoint."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from birdnet_cli.core.backbones import Backbone, Preprocessing, create_backbone
from birdnet_cli.core.data import Batch, Sample, Transform, load_batches
from birdnet_cli.core.engine.describer import Describer
from birdnet_cli.core.engine.fit_poolings import fit_reductions
from birdnet_cli.core.engine.model_file import ModelDescription
from birdnet_cli.core.engine.predict import load_model
from birdnet_cli.core.engine.training.classifier import Classifier
from birdnet_cli.core.engine.training.heads import parse_head
from birdnet_cli.core.engine.training.init_from import order_classes
from birdnet_cli.core.engine.training.processes import Processes
from birdnet_cli.core.engine.training.watch import TrainingProgress
from birdnet_cli.core.engine.weights import find_weights
from birdnet_cli.core.heads import TrainableHead
from birdnet_cli.core.poolings import create_pooling
from birdnet_cli.core.recipe import FinetuneSettings, PoolingSettings, TransformSettings

__all__ = ["Assembled", "assemble", "fit_reduction", "rebuild"]

FIT_IMAGES = 1000


@dataclass(frozen=True)
class Assembled:
    """A classifier, and the header of the model files that it will be written to."""

    classifier: Classifier
    description: ModelDescription


def assemble(
    settings: FinetuneSettings, classes: tuple[str, ...], *, dtype: torch.dtype, progress: TrainingProgress
) -> Assembled:
    """Build the classifier that settings describe, on the CPU, with the values that training starts from.

    Args:
        settings: backbone, head, and where they come from; those of the model file, where they start from one.
        classes: names, in the order of the labels.
        dtype: what the backbone computes in.
        progress: follows a download.

    Raises:
        FbnError: as `find_weights`, `create_backbone`, `create_pooling` and `load_model`.
        ModelFileError: the model to start from knows other classes.
    """
    transform = TransformSettings(image_size=settings.image_size, resize=settings.resize)
    if settings.init_from is not None:
        return _start_from(settings.init_from, settings, classes, transform, dtype=dtype)
    weights = find_weights(settings.backbone, settings.weights, preprocessing=settings.preprocessing, progress=progress)
    progress.note(f"{settings.backbone}: weights from {weights.source}, sha256 {weights.sha256}")
    backbone = create_backbone(settings.backbone, layer=settings.layer, weights=weights)
    origin = {"weights_source": weights.source, "weights_sha256": weights.sha256}
    return _with_new_head(backbone, settings, classes, transform, origin, dtype=dtype)


def rebuild(description: ModelDescription, *, dtype: torch.dtype) -> Assembled:
    """Build a classifier whose values a checkpoint is to fill in.

    Args:
        description: as the run's first session recorded it.
        dtype: what the backbone computes in.
    """
    about = description.backbone
    preprocessing = Preprocessing.from_json(about["preprocessing"])
    backbone = create_backbone(about["backbone"], layer=about["layer"], preprocessing=preprocessing)
    return Assembled(_join(backbone, description, dtype=dtype), description)


def fit_reduction(
    classifier: Classifier,
    samples: Sequence[Sample],
    *,
    settings: FinetuneSettings,
    processes: Processes,
    progress: TrainingProgress,
) -> None:
    """Start a learned 1x1 reduction that has no values yet from the PCA of training images.

    Args:
        classifier: on its device.
        samples: training images; at most 1,000 of them, evenly spaced, are used.
        settings: image size, batch size, workers.
        processes: rank 0 fits for all.
        progress: follows the work.
    """
    reduction = classifier.pooling.reduction
    if reduction is None or reduction.fitted:
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


def _start_from(
    path: str,
    settings: FinetuneSettings,
    classes: tuple[str, ...],
    transform: TransformSettings,
    *,
    dtype: torch.dtype,
) -> Assembled:
    model = load_model(path, device="cpu", precision="float32", weights=settings.weights)
    backbone = model.describer.backbone
    origin = {"init_from": Path(path).name, "weights_sha256": model.description.backbone["weights_sha256"]}
    if not settings.init_head:
        return _with_new_head(backbone, settings, classes, transform, origin, dtype=dtype)
    (pooling,) = model.describer.poolings.values()
    head = TrainableHead(pooling.dim, len(classes))
    head.load(order_classes(model.head, model.classes, classes, owner=path))
    description = _describe(backbone, classes, transform, model.description.pooling, origin)
    return Assembled(Classifier(backbone, pooling, head, dtype=dtype), description)


def _with_new_head(
    backbone: Backbone,
    settings: FinetuneSettings,
    classes: tuple[str, ...],
    transform: TransformSettings,
    origin: dict[str, str],
    *,
    dtype: torch.dtype,
) -> Assembled:
    pooling = parse_head(settings.head)
    description = _describe(backbone, classes, transform, pooling, origin)
    return Assembled(_join(backbone, description, dtype=dtype), description)


def _join(backbone: Backbone, description: ModelDescription, *, dtype: torch.dtype) -> Classifier:
    pooling = create_pooling(description.pooling, channels=backbone.channels, nonnegative=backbone.nonnegative)
    return Classifier(backbone, pooling, TrainableHead(pooling.dim, len(description.classes)), dtype=dtype)


def _describe(
    backbone: Backbone,
    classes: tuple[str, ...],
    transform: TransformSettings,
    pooling: PoolingSettings,
    origin: dict[str, str],
) -> ModelDescription:
    about = {
        "backbone": backbone.name,
        "layer": backbone.layer,
        "weights_sha256": origin["weights_sha256"],
        "preprocessing": backbone.preprocessing.to_json(),
        "embedded": True,
    }
    return ModelDescription(classes, about, transform, False, pooling, {"head": "softmax"}, {"started_from": origin})
