"""The classifier to train, built from pretrained weights, random parameters, a model file, or a run's header."""

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

__all__ = ["build_classifier", "order_classes", "rebuild_classifier"]

NAMED = 5

# VGG's last convolution, without the ReLU after it: a head on the feature map has an activation of its own.
MAP_LAYERS = {"vgg16": "conv5_3", "vgg19": "conv5_4"}


def build_classifier(
    settings: FinetuneSettings, classes: tuple[str, ...], *, dtype: torch.dtype, progress: TrainingProgress
) -> tuple[Classifier, ModelDescription]:
    """Build the classifier that settings describe, on the CPU, with the parameters that training starts from.

    Args:
        settings: network, head, and their source; with `init_from`, completed from the model file.
        classes: names of the classes, in the order of the labels.
        dtype: dtype that the backbone computes in.
        progress: progress of a download.

    Returns:
        The classifier, and the header of the model files that it will be written to.

    Raises:
        FbnError: as `find_weights`, `create_backbone`, `create_network`, `create_pooling` and `load_model`.
        ModelFileError: the model file to start from has other classes.
    """
    if settings.init_from is not None:
        return _start_from(settings.init_from, settings, classes, dtype=dtype)
    # First, so that a wrong name is refused before a download.
    head = describe_head(settings)
    if settings.network is not None:
        backbone, header = _random_network(settings)
        source = f"random (seed {settings.seed})"
    else:
        weights = find_weights(
            settings.backbone, settings.weights, preprocessing=settings.preprocessing, progress=progress
        )
        progress.note(f"{settings.backbone}: weights from {weights.source}, sha256 {weights.sha256}")
        layer = settings.layer
        if layer is None and isinstance(head, MapHeadSettings):
            layer = MAP_LAYERS.get(settings.backbone)
        backbone = create_backbone(settings.backbone, layer=layer, weights=weights)
        header = _describe_backbone(backbone, weights.sha256)
        source = public_source(weights.source)
    origin = {"weights_source": source, "weights_sha256": header["weights_sha256"]}
    return _add_new_head(
        backbone, head, settings=settings, classes=classes, backbone_header=header, origin=origin, dtype=dtype
    )


def rebuild_classifier(description: ModelDescription, *, dtype: torch.dtype) -> Classifier:
    """Build a classifier whose parameters are then loaded from a checkpoint.

    Args:
        description: the header that the run's first session recorded.
        dtype: dtype that the backbone computes in.
    """
    preprocessing = Preprocessing.from_json(description.backbone["preprocessing"])
    backbone = create_trunk(description.backbone, weights=None, preprocessing=preprocessing)
    pooling, head = create_model_parts(description, backbone)
    if isinstance(head, LinearHead):
        trainable = TrainableHead(head.weight.shape[1], len(description.classes))
        return Classifier(backbone, pooling, trainable, dtype=dtype)
    return Classifier(backbone, pooling, head.to_empty(device="cpu"), dtype=dtype)


@torch.no_grad()
def order_classes(head: Head, known: tuple[str, ...], wanted: tuple[str, ...], *, owner: str) -> dict[str, Tensor]:
    """Return the state dict of a head with its logits in the order of a data set's classes.

    Args:
        head: head of the model file.
        known: classes of the model file.
        wanted: classes of the data set.
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
    # Weights and biases of a head have a row per class; those of the normalization before it have none.
    per_class = [key for key in head.state_dict() if key.endswith(("weight", "bias")) and not key.startswith("norm.")]
    return {key: tensor[rows] if key in per_class else tensor for key, tensor in head.state_dict().items()}


def _start_from(
    path: str, settings: FinetuneSettings, classes: tuple[str, ...], *, dtype: torch.dtype
) -> tuple[Classifier, ModelDescription]:
    """Build a classifier from a model file, with the file's head or a new head."""
    model = load_model(path, device="cpu", precision="float32", weights=settings.weights)
    backbone, header = model.extractor.backbone, model.description.backbone | {"embedded": True}
    origin = {"init_from": Path(path).name, "weights_sha256": header["weights_sha256"]}
    if not settings.init_head:
        head = describe_head(settings)
        return _add_new_head(
            backbone, head, settings=settings, classes=classes, backbone_header=header, origin=origin, dtype=dtype
        )
    state = order_classes(model.head, model.classes, classes, owner=path)
    model.head.load_state_dict(state)
    description = _describe_model(
        settings, classes, header, pooling=model.description.pooling, head=_head_header(model.description),
        origin=origin,
    )  # fmt: skip
    pooling = next(iter(model.extractor.poolings.values()), None)
    if isinstance(model.head, CalibratedMapHead):
        return Classifier(backbone, pooling, model.head, dtype=dtype), description
    trainable = TrainableHead(model.head.weight.shape[1], len(classes))
    trainable.load(model.head)
    return Classifier(backbone, pooling, trainable, dtype=dtype), description


def _add_new_head(
    backbone: Backbone,
    head: PoolingSettings | MapHeadSettings,
    *,
    settings: FinetuneSettings,
    classes: tuple[str, ...],
    backbone_header: dict[str, Any],
    origin: dict[str, str],
    dtype: torch.dtype,
) -> tuple[Classifier, ModelDescription]:
    if isinstance(head, PoolingSettings):
        header = {"head": "softmax"}
        description = _describe_model(settings, classes, backbone_header, pooling=head, head=header, origin=origin)
        pooling = create_pooling(head, channels=backbone.channels, nonnegative=backbone.nonnegative)
        trainable = TrainableHead(pooling.dim, len(classes))
        return Classifier(backbone, pooling, trainable, dtype=dtype), description
    map_header = {"head": head.name, "map": head.model_dump()}
    description = _describe_model(settings, classes, backbone_header, pooling=None, head=map_header, origin=origin)
    options = map_head_options(head)
    map_head = create_map_head(head.name, backbone.channels, len(classes), seed=settings.seed, **options)
    calibrated = CalibratedMapHead(map_head, channels=backbone.channels, norm=head.norm)
    return Classifier(backbone, None, calibrated, dtype=dtype), description


def _random_network(settings: FinetuneSettings) -> tuple[Backbone, dict[str, Any]]:
    asked = NetworkSettings(name=str(settings.network), blocks=settings.blocks, width=settings.width)
    # This head is not used: `_add_new_head` creates the head, by the same rule and seed.
    network = create_network(
        asked.name, head="fc", num_classes=1, blocks=asked.blocks, width=asked.width, seed=settings.seed
    )
    preprocessing = network_preprocessing(asked.name)
    backbone = wrap_features(network.features, asked, channels=network.channels, preprocessing=preprocessing)
    header = _describe_backbone(backbone, hash_tensors(backbone.state_dict()))
    return backbone, header | {"network": asked.model_dump()}


def _describe_backbone(backbone: Backbone, sha256: str) -> dict[str, Any]:
    return {
        "backbone": backbone.name,
        "layer": backbone.layer,
        "weights_sha256": sha256,
        "preprocessing": backbone.preprocessing.to_json(),
        "embedded": True,
    }


def _describe_model(
    settings: FinetuneSettings,
    classes: tuple[str, ...],
    backbone: dict[str, Any],
    *,
    pooling: PoolingSettings | None,
    head: dict[str, Any],
    origin: dict[str, str],
) -> ModelDescription:
    transform = TransformSettings(image_size=settings.image_size, resize=settings.resize)
    return ModelDescription(classes, backbone, transform, False, pooling, head, {"started_from": origin})


def _head_header(description: ModelDescription) -> dict[str, Any]:
    if description.pooling is not None:
        return {"head": "softmax"}
    return {key: description.head[key] for key in ("head", "map")}
