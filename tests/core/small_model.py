"""The header of a model that no image has ever seen."""

from birdnet_cli.core.model import ModelDescription
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
