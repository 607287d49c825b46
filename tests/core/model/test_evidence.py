"""Evidence maps of every kind of model: map and bias sum to the logit."""

from pathlib import Path

import pytest
import torch

from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.finetune import finetune
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model import Model, explain_logits, load_model, logit_biases
from birdnet_cli.core.recipe import HeadSettings
from tests.core.textures import small_settings
from tests.core.training.quick import quick_settings

HEAD = HeadSettings(C=1000.0, calibrate=False)
NAMES = ["max", "avg", "bilinear", "bilinear-reduce8", "bilinear-variance50", "compact-d64"]


def solve(cache: Path, output: Path, pooling: str) -> Model:
    train_head(cache, output, pooling=pooling, settings=HEAD, weights="none")
    return load_model(output, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def model(extracted: ExtractReport, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return solve(extracted.output, tmp_path_factory.mktemp("model") / "m.safetensors", "bilinear")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("pooling", NAMES)
def test_map_and_bias_sum_to_the_logit(
    extracted: ExtractReport, tmp_path: Path, images: torch.Tensor, pooling: str
) -> None:
    model = solve(extracted.output, tmp_path / "m.safetensors", pooling)
    logits, bias = model.logits(images), model.head.bias
    maps = explain_logits(model, images, labels=[0, 2])
    expected = torch.stack([logits[0, 0] - bias[0], logits[1, 2] - bias[2]])
    torch.testing.assert_close(maps.sum((1, 2)), expected, rtol=1e-4, atol=1e-4)


def test_map_of_a_difference_sums_to_the_difference_of_logits(model: Model, images: torch.Tensor) -> None:
    scores = model.logits(images) - model.head.bias
    maps = explain_logits(model, images, labels=[0, 2], versus=1)
    expected = torch.stack([scores[0, 0] - scores[0, 1], scores[1, 2] - scores[1, 1]])
    torch.testing.assert_close(maps.sum((1, 2)), expected, rtol=1e-4, atol=1e-4)


def test_map_of_a_model_that_averages_over_the_mirrored_image_sums_too(
    textures: Path, tmp_path: Path, images: torch.Tensor
) -> None:
    cache = extract(textures, tmp_path / "f.h5", settings=small_settings(flip=True, pooling="bilinear")).output
    model = solve(cache, tmp_path / "m.safetensors", "bilinear")
    maps = explain_logits(model, images, labels=[0, 0])
    torch.testing.assert_close(maps.sum((1, 2)), model.logits(images)[:, 0] - model.head.bias[0], rtol=1e-4, atol=1e-4)
    # The mirrored image's map is the map's mirror image.
    mirrored = explain_logits(model, images.flip(-1), labels=[0, 0])
    torch.testing.assert_close(mirrored, maps.flip(-1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["fc", "fb"])
def test_map_of_a_head_on_feature_maps_sums_to_the_logit(
    textures: Path, tmp_path: Path, images: torch.Tensor, head: str
) -> None:
    quick = quick_settings(network="resnet164", blocks=1, width=4, layer=None, head=head, epochs=1)
    model = load_model(finetune(textures, tmp_path / "run", settings=quick).model, device="cpu", precision="float32")
    scores = model.logits(images) - logit_biases(model)
    maps = explain_logits(model, images, labels=[0, 2])
    torch.testing.assert_close(maps.sum((1, 2)), torch.stack([scores[0, 0], scores[1, 2]]), rtol=1e-4, atol=1e-4)
    difference = explain_logits(model, images, labels=[0, 2], versus=1)
    expected = torch.stack([scores[0, 0] - scores[0, 1], scores[1, 2] - scores[1, 1]])
    torch.testing.assert_close(difference.sum((1, 2)), expected, rtol=1e-4, atol=1e-4)
