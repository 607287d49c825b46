"""The header of a model, and a model with random values."""

from dataclasses import replace

import torch

from birdnet_cli.core.backbones import Preprocessing
from birdnet_cli.core.features.extractor import FeatureExtractor
from birdnet_cli.core.heads import LinearHead
from birdnet_cli.core.model import Model, ModelDescription
from birdnet_cli.core.model.modules import create_model_parts, create_trunk
from birdnet_cli.core.recipe import PoolingSettings, TransformSettings

DESCRIPTION = ModelDescription(
    classes=("Grünfink", "caf\udce9", 'a "quoted", name'),
    backbone={
        "backbone": "vgg16", "layer": "relu1_1", "weights_sha256": "0" * 64, "embedded": True,
        "preprocessing": {"mean": [1.0, 2.0, 3.0], "std": [1.0, 1.0, 1.0], "scale": 1.0, "channel_order": "bgr"},
    },
    transform=TransformSettings(image_size=64, resize="letterbox"),
    flip=True,
    pooling=PoolingSettings(name="bilinear", reduce=8, select=20),
    head={"head": "svm", "C": 0.5},
    provenance={"data": "f" * 64},
)  # fmt: skip


def random_model() -> Model:
    """Return a model of three classes with average pooling of 64 channels, T = 2, that was not read from a file."""
    description = replace(DESCRIPTION, pooling=PoolingSettings(name="avg"), flip=False)
    preprocessing = Preprocessing.from_json(description.backbone["preprocessing"])
    backbone = create_trunk(description.backbone, weights=None, preprocessing=preprocessing)
    pooling, head = create_model_parts(description, backbone)
    assert pooling is not None
    assert isinstance(head, LinearHead)
    generator = torch.Generator().manual_seed(0)
    for tensor in (*backbone.state_dict().values(), head.weight, head.bias):
        tensor.normal_(generator=generator)
    head.temperature.fill_(2)
    extractor = FeatureExtractor(
        backbone, {"descriptor": pooling}, device=torch.device("cpu"), precision="float32", flip=False
    )
    return Model("m.safetensors", description, extractor, head)
