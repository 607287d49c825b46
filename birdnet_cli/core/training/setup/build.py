"""Where the classifier that is trained comes from: pretrained weights, random values, a model file, a checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from birdnet_cli.core.backbones import Backbone, Preprocessing, create_backbone
from birdnet_cli.core.backbones.recorded_weights import find_weights
from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.heads import CalibratedMapHead, LinearHead, TrainableHead, create_map_head
from birdnet_cli.core.model import ModelDescription, load_model
from birdnet_cli.core.model.modules import (
    Head,
    create_model_parts,
    create_trunk,
    map_head_options,
    network_preprocessing,
    wrap_features,
)
from birdnet_cli.core.networks import create_network
from birdnet_cli.core.poolings import create_pooling
from birdnet_cli.core.provenance import public_source
from birdnet_cli.core.recipe import (
    FinetuneSettings,
    MapHeadSettings,
    NetworkSettings,
    PoolingSettings,
    TransformSettings,
)
from birdnet_cli.core.tensor_file import hash_tensors
from birdnet_cli.core.training.progress import TrainingProgress
from birdnet_cli.core.training.setup.classifier import Classifier
from birdnet_cli.core.training.setup.head_names import describe_head

__all__ = ["Assembled", "assemble", "order_classes", "rebuild"]

NAMED = 5

# VGG's last convolution before its last ReLU: a head on the feature map brings the activation.
MAP_LAYERS = {"vgg16": "conv5_3", "vgg19": "conv5_4"}


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
        settings: network, head, and where they come from; those of the model file, where they start from one.
        classes: names, in the order of the labels.
        dtype: what the backbone computes in.
        progress: follows a download.

    Raises:
        FbnError: as `find_weights`, `create_backbone`, `create_network`, `create_pooling` and `load_model`.
        ModelFileError: the model to start from knows other classes.
    """
    transform = TransformSettings(image_size=settings.image_size, resize=settings.resize)
    if settings.init_from is not None:
        return _start_from(settings.init_from, settings, classes, transform, dtype=dtype)
    head = describe_head(settings)
    if settings.network is not None:
        backbone, about = _random_network(settings)
        origin = f"random (seed {settings.seed})"
    else:
        weights = find_weights(
            settings.backbone, settings.weights, preprocessing=settings.preprocessing, progress=progress
        )
        progress.note(f"{settings.backbone}: weights from {weights.source}, sha256 {weights.sha256}")
        layer = settings.layer
        if layer is None and isinstance(head, MapHeadSettings):
            layer = MAP_LAYERS.get(settings.backbone)
        backbone = create_backbone(settings.backbone, layer=layer, weights=weights)
        about = _describe_backbone(backbone, weights.sha256)
        origin = public_source(weights.source)
    provenance = {"weights_source": origin, "weights_sha256": about["weights_sha256"]}
    return _with_new_head(backbone, head, settings, classes, about, transform, provenance, dtype=dtype)


def rebuild(description: ModelDescription, *, dtype: torch.dtype) -> Assembled:
    """Build a classifier whose values a checkpoint is to fill in.

    Args:
        description: as the run's first session recorded it.
        dtype: what the backbone computes in.
    """
    preprocessing = Preprocessing.from_json(description.backbone["preprocessing"])
    backbone = create_trunk(description.backbone, weights=None, preprocessing=preprocessing)
    pooling, head = create_model_parts(description, backbone)
    if isinstance(head, LinearHead):
        trainable = TrainableHead(head.weight.shape[1], len(description.classes))
        return Assembled(Classifier(backbone, pooling, trainable, dtype=dtype), description)
    return Assembled(Classifier(backbone, pooling, head.to_empty(device="cpu"), dtype=dtype), description)


def _start_from(
    path: str, settings: FinetuneSettings, classes: tuple[str, ...], transform: TransformSettings, *, dtype: torch.dtype
) -> Assembled:
    model = load_model(path, device="cpu", precision="float32", weights=settings.weights)
    backbone, about = model.extractor.backbone, model.description.backbone | {"embedded": True}
    provenance = {"init_from": Path(path).name, "weights_sha256": about["weights_sha256"]}
    if not settings.init_head:
        head = describe_head(settings)
        return _with_new_head(backbone, head, settings, classes, about, transform, provenance, dtype=dtype)
    state = order_classes(model.head, model.classes, classes, owner=path)
    model.head.load_state_dict(state)
    description = ModelDescription(
        classes,
        about,
        transform,
        False,
        model.description.pooling,
        _head_of(model.description),
        {"started_from": provenance},
    )
    pooling = next(iter(model.extractor.poolings.values()), None)
    if isinstance(model.head, CalibratedMapHead):
        return Assembled(Classifier(backbone, pooling, model.head, dtype=dtype), description)
    trainable = TrainableHead(model.head.weight.shape[1], len(classes))
    trainable.load(model.head)
    return Assembled(Classifier(backbone, pooling, trainable, dtype=dtype), description)


def _with_new_head(
    backbone: Backbone,
    head: PoolingSettings | MapHeadSettings,
    settings: FinetuneSettings,
    classes: tuple[str, ...],
    about: dict[str, Any],
    transform: TransformSettings,
    provenance: dict[str, str],
    *,
    dtype: torch.dtype,
) -> Assembled:
    origin = {"started_from": provenance}
    if isinstance(head, PoolingSettings):
        description = ModelDescription(classes, about, transform, False, head, {"head": "softmax"}, origin)
        pooling = create_pooling(head, channels=backbone.channels, nonnegative=backbone.nonnegative)
        trainable = TrainableHead(pooling.dim, len(classes))
        return Assembled(Classifier(backbone, pooling, trainable, dtype=dtype), description)
    described = {"head": head.name, "map": head.model_dump()}
    description = ModelDescription(classes, about, transform, False, None, described, origin)
    options = map_head_options(head)
    map_head = create_map_head(head.name, backbone.channels, len(classes), seed=settings.seed, **options)
    calibrated = CalibratedMapHead(map_head, channels=backbone.channels, norm=head.norm)
    return Assembled(Classifier(backbone, None, calibrated, dtype=dtype), description)


def _random_network(settings: FinetuneSettings) -> tuple[Backbone, dict[str, Any]]:
    asked = NetworkSettings(name=str(settings.network), blocks=settings.blocks, width=settings.width)
    # Its head is created apart, by the same rule and seed.
    network = create_network(
        asked.name, head="fc", num_classes=1, blocks=asked.blocks, width=asked.width, seed=settings.seed
    )
    preprocessing = network_preprocessing(asked.name)
    backbone = wrap_features(network.features, asked, channels=network.channels, preprocessing=preprocessing)
    about = _describe_backbone(backbone, hash_tensors(backbone.state_dict()))
    return backbone, about | {"network": asked.model_dump()}


def _describe_backbone(backbone: Backbone, sha256: str) -> dict[str, Any]:
    return {
        "backbone": backbone.name,
        "layer": backbone.layer,
        "weights_sha256": sha256,
        "preprocessing": backbone.preprocessing.to_json(),
        "embedded": True,
    }


def _head_of(description: ModelDescription) -> dict[str, Any]:
    if description.pooling is not None:
        return {"head": "softmax"}
    return {key: description.head[key] for key in ("head", "map")}


@torch.no_grad()
def order_classes(head: Head, known: tuple[str, ...], wanted: tuple[str, ...], *, owner: str) -> dict[str, Tensor]:
    """Return the state of a head with its logits in the order of a data set's classes.

    Args:
        head: of the model file.
        known: its classes.
        wanted: the data set's classes.
        owner: the model file, for the error.

    Raises:
        ModelFileError: the classes are not the same; the first few that differ are named.
    """
    missing, extra = sorted(set(wanted) - set(known)), sorted(set(known) - set(wanted))
    if missing or extra:
        parts = [f"it lacks {', '.join(missing[:NAMED])} ({len(missing)} in all)"] if missing else []
        parts += [f"it has {', '.join(extra[:NAMED])} ({len(extra)} in all)"] if extra else []
        raise ModelFileError(
            f"{owner}: its classes are not the data set's: {'; '.join(parts)}; start another head with --no-init-head"
        )
    rows = [known.index(name) for name in wanted]
    # Every weight and bias of a head has one row per class; what normalises the map before it has none.
    per_class = [key for key in head.state_dict() if key.endswith(("weight", "bias")) and not key.startswith("norm.")]
    return {key: tensor[rows] if key in per_class else tensor for key, tensor in head.state_dict().items()}
