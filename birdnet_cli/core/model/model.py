"""A model file loaded on a device: images -> class names and probabilities."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from birdnet_cli.core.backbones import Preprocessing, WeightSet
from birdnet_cli.core.backbones.recorded_weights import find_recorded_weights
from birdnet_cli.core.data import Batch, Sample, Transform
from birdnet_cli.core.device import resolve_device
from birdnet_cli.core.errors import FbnError, ModelFileError
from birdnet_cli.core.features.extractor import FeatureExtractor
from birdnet_cli.core.model.description import ModelDescription
from birdnet_cli.core.model.file import hash_model_file, read_model_file
from birdnet_cli.core.model.modules import Head, create_model_parts, create_trunk

__all__ = ["Guess", "Model", "Prediction", "load_model"]


@dataclass(frozen=True, slots=True)
class Guess:
    """A class and its probability.

    Attributes:
        label: name of the class.
        index: index of the class, 0..K-1.
        prob: probability of the class, 0..1.
    """

    label: str
    index: int
    prob: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for an image.

    Attributes:
        path: location of the image.
        status: `ok` or `error`.
        error: why the image could not be read, or None.
        top: the most probable classes by falling probability; empty after an error.
        model: name of the model file.
    """

    path: str
    status: str
    error: str | None
    top: tuple[Guess, ...]
    model: str

    def to_json(self) -> dict[str, Any]:
        """Return the prediction as a JSON object."""
        return asdict(self)


class Model:
    """A loaded model on a device.

    Args:
        name: name of the file, which every prediction repeats.
        description: header of the file.
        extractor: backbone and pooling.
        head: descriptor [N, D] or feature map [N, C, h, w] -> logits [N, K].
        path: path of the file; None if the model was not read from a file.
    """

    def __init__(
        self,
        name: str,
        description: ModelDescription,
        extractor: FeatureExtractor,
        head: Head,
        *,
        path: Path | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.description = description
        self.extractor = extractor
        self.head = head
        self.transform = Transform(description.transform)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.description.classes

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """Return logits [N, K], on the model's device, of transformed uint8 images [N, 3, S, S]."""
        if self.description.pooling is None:
            features = self.extractor.feature_map(images)
        else:
            (features,) = self.extractor(images).values()
        result: Tensor = self.head(features)
        return result

    def rows(self, samples: Sequence[Sample], batch: Batch, k: int) -> list[Prediction]:
        """Return the prediction for every sample of a loaded batch, in the batch's order.

        Args:
            samples: all samples, which `batch.indices` refer to.
            batch: a loaded batch.
            k: number of classes per prediction; at most K are returned.
        """
        found: dict[int, tuple[Guess, ...]] = {}
        if batch.good:
            probabilities = self.head.probabilities(self.logits(batch.images)).cpu()
            values, indices = probabilities.topk(min(k, len(self.classes)), dim=1)  # [n, k]
            for position, probs, labels in zip(batch.good, values.tolist(), indices.tolist(), strict=True):
                found[position] = tuple(
                    Guess(self.classes[label], label, prob) for label, prob in zip(labels, probs, strict=True)
                )
        reasons = {failure.position: failure.reason for failure in batch.failures}
        return [
            Prediction(samples[index].location, "ok", None, found[position], self.name)
            if position in found
            else Prediction(samples[index].location, "error", reasons[position], (), self.name)
            for position, index in enumerate(batch.indices)
        ]


def load_model(
    path: str | os.PathLike[str],
    *,
    device: str = "auto",
    precision: str = "auto",
    weights: str = "auto",
    sha256: str | None = None,
) -> Model:
    """Read a model file and put it on a device.

    Args:
        path: a model file of `train_head` or `finetune`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: `auto`, `float32` or `bfloat16`: arithmetic of the backbone.
        weights: source of the backbone's weights if the file does not embed them; their SHA-256 must match the header.
        sha256: required SHA-256 of the file; None requires nothing.

    Raises:
        ModelFileError: the file is not a model of fbn, it is damaged, it has another SHA-256 than `sha256`, or its
            tensors do not fit its header.
        WeightsError: backbone weights are needed and cannot be found.
        UsageError: there is no such device.
    """
    path = Path(path)
    if sha256 is not None:
        hash_model_file(path, expected=sha256)
    description, tensors = read_model_file(path)
    target = resolve_device(device)
    settings = description.backbone
    recorded = None if settings["embedded"] else find_recorded_weights(settings, weights, owner=path)
    try:
        preprocessing = Preprocessing.from_json(settings["preprocessing"])
        embedded = WeightSet("the embedded backbone", settings["weights_sha256"], tensors["backbone"], preprocessing)
        backbone = create_trunk(settings, weights=recorded or embedded, preprocessing=preprocessing)
        pooling, head = create_model_parts(description, backbone)
    except FbnError as error:
        raise ModelFileError(f"{path}: {error}") from error
    poolings = {"descriptor": pooling} if pooling is not None else {}
    for part in poolings.values():
        _load_state(path, "pooling", part, tensors["pooling"])
    _load_state(path, "head", head, tensors["head"])
    extractor = FeatureExtractor(backbone, poolings, device=target, precision=precision, flip=description.flip)
    return Model(path.name, description, extractor, head.to(target).eval(), path=path)


def _load_state(path: Path, group: str, module: torch.nn.Module, state: dict[str, Tensor]) -> None:
    expected = module.state_dict()
    problems = [f"{group}.{name} is missing" for name in expected if name not in state]
    problems += [f"{group}.{name} is not expected" for name in state if name not in expected]
    problems += [
        f"{group}.{name} has shape {list(state[name].shape)}, expected {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if problems:
        raise ModelFileError(f"{path}: the tensors do not fit the header: {'; '.join(problems[:5])}")
    # A head on the feature map is built without memory (on the meta device), since a header may ask for any size.
    module.load_state_dict(state, assign=any(tensor.is_meta for tensor in expected.values()))
