"""A training that starts from a solved head."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import decode_image, open_dataset
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.finetune import finetune
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import (
    ModelFileError,
    TrainingInterruptedError,
    UsageError,
)
from birdnet_cli.core.model import load_model, read_model_file, write_model_file
from birdnet_cli.core.recipe import FinetuneSettings, HeadSettings, resolve_settings
from tests.core.textures import small_settings, write_textures
from tests.core.training.quick import StopAtOnce, quick_settings


@pytest.fixture(scope="module")
def frozen(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    settings = small_settings(layer="relu1_2", pooling="bilinear,bilinear-reduce8,compact-d64")
    cache = extract(textures, folder / "cache.h5", settings=settings).output
    for name in ("bilinear", "bilinear-reduce8", "compact-d64"):
        made = HeadSettings(C=1000.0, cv=2)
        train_head(cache, folder / f"{name}.safetensors", pooling=name, settings=made, weights="none")
    return folder


@pytest.mark.parametrize("pooling", ["bilinear", "bilinear-reduce8", "compact-d64"])
def test_training_starts_from_the_solved_head_s_logits(
    frozen: Path, textures: Path, tmp_path: Path, pooling: str
) -> None:
    start = frozen / f"{pooling}.safetensors"
    settings = quick_settings(layer=None, head=pooling, init_from=str(start))
    with pytest.raises(TrainingInterruptedError, match="stopped by SIGTERM after step 0"):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAtOnce())
    images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    models = [
        load_model(path, device="cpu", precision="float32") for path in (start, tmp_path / "run" / "last.safetensors")
    ]
    logits = [model.logits(images) for model in models]
    torch.testing.assert_close(logits[1], logits[0])
    assert models[1].head.temperature == pytest.approx(float(models[0].head.temperature))


def test_classes_in_another_order_keep_their_logits(frozen: Path, textures: Path, tmp_path: Path) -> None:
    start = frozen / "bilinear.safetensors"
    description, tensors = read_model_file(start)
    order = [1, 2, 0]
    classes = tuple(description.classes[row] for row in order)
    tensors["head"] |= {key: tensors["head"][key][order] for key in ("weight", "bias")}
    write_model_file(tmp_path / "other.safetensors", replace(description, classes=classes), tensors)
    settings = quick_settings(layer=None, head="bilinear", init_from=str(tmp_path / "other.safetensors"))
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAtOnce())
    first, second = (read_model_file(path) for path in (start, tmp_path / "run" / "last.safetensors"))
    assert first[0].classes == second[0].classes
    torch.testing.assert_close(second[1]["head"]["weight"].float(), first[1]["head"]["weight"].float())


def test_settings_that_are_not_given_come_from_the_model_file(frozen: Path, textures: Path, tmp_path: Path) -> None:
    start = str(frozen / "bilinear-reduce8.safetensors")
    settings = FinetuneSettings(init_from=start, epochs=1, workers=0, device="cpu")
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAtOnce())
    made = resolve_settings(FinetuneSettings, section="finetune", recipe=str(tmp_path / "run" / "config.yaml"))
    assert (made.backbone, made.layer, made.head, made.image_size) == ("vgg16", "relu1_2", "bilinear-reduce8", 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "vgg19"}, "its backbone is 'vgg16', but 'vgg19' was asked for: leave it out"),
        ({"layer": "relu1_1"}, "its layer is 'relu1_2', but 'relu1_1' was asked for"),
        ({"head": "compact"}, "its head is 'bilinear', but 'compact' was asked for: leave it out, or start another"),
    ],
)
def test_settings_that_contradict_the_model_file_are_refused(
    frozen: Path, textures: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    settings = FinetuneSettings.model_validate({"init_from": str(frozen / "bilinear.safetensors")} | changes)
    with pytest.raises(UsageError, match=message):
        finetune(textures, tmp_path / "run", settings=settings)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_classes_that_the_model_file_lacks_are_named(frozen: Path, tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=4, test=1)
    for split in ("train", "test"):
        (data / split / "rings").rename(data / split / "waves")
    start = str(frozen / "bilinear.safetensors")
    with pytest.raises(
        ModelFileError, match=r"lacks waves \(1 in all\); it has rings \(1 in all\); start another head"
    ):
        finetune(data, tmp_path / "run", settings=FinetuneSettings(init_from=start, workers=0))
    # The network alone may still be taken.
    settings = quick_settings(layer=None, head="bilinear", init_from=start, init_head=False, epochs=1)
    assert finetune(data, tmp_path / "run", settings=settings).steps == 1


def test_a_learned_reduction_starts_from_the_pca_of_training_images_and_learns(
    frozen: Path, textures: Path, tmp_path: Path
) -> None:
    settings = quick_settings(head="bilinear-reduce8", val_fraction=0)
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAtOnce())
    solved = read_model_file(frozen / "bilinear-reduce8.safetensors")[1]["pooling"]
    start = read_model_file(tmp_path / "run" / "last.safetensors")[1]["pooling"]
    # The file's reduction was fitted on 12 of these 24 images: the leading direction is nearly the same.
    assert float(start["reduction.weight"][0] @ solved["reduction.weight"][0]) > 0.99
    finetune(textures, tmp_path / "run", resume=True)
    end = read_model_file(tmp_path / "run" / "last.safetensors")[1]["pooling"]
    assert not torch.equal(end["reduction.weight"], start["reduction.weight"])


def test_a_solved_head_s_temperature_is_fitted_to_smoothed_labels(frozen: Path, textures: Path, tmp_path: Path) -> None:
    start = frozen / "bilinear.safetensors"
    settings = quick_settings(
        layer=None, head="bilinear", init_from=str(start), label_smoothing=0.1, val_fraction=0, epochs=1
    )
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAtOnce())
    first, second = (
        load_model(path, device="cpu", precision="float32") for path in (start, tmp_path / "run" / "last.safetensors")
    )
    samples = open_dataset(textures).subset("train").samples
    images = torch.stack([second.transform(decode_image(sample.path)) for sample in samples])
    labels = torch.tensor([sample.label for sample in samples])
    logits = second.logits(images)
    torch.testing.assert_close(logits, first.logits(images))
    assert float(second.head.temperature) > 1.1 * float(first.head.temperature)

    def loss(factor: float) -> float:
        return float(cross_entropy(logits / (second.head.temperature * factor), labels, label_smoothing=0.1))

    assert loss(1.0) < min(loss(0.9), loss(1.1))
    # Going on does not fit it again.
    finetune(textures, tmp_path / "run", resume=True)
    ended = load_model(tmp_path / "run" / "last.safetensors", device="cpu")
    assert float(ended.head.temperature) == float(second.head.temperature)
