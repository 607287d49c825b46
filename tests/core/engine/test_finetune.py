"""A whole training of textures, and the model file that it leaves."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import decode_image, open_dataset
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.finetune import FinetuneReport, finetune
from birdnet_cli.core.engine.predict import predict
from birdnet_cli.core.errors import (
    DataError,
    NumericsError,
    TrainingInterruptedError,
)
from birdnet_cli.core.model import load_model, read_description
from birdnet_cli.core.model.library import find_model
from birdnet_cli.core.recipe import FinetuneSettings, resolve_settings
from tests.core.textures import write_textures
from tests.core.training.quick import SMALL_NETWORK, StopAtOnce, quick_settings, read_rows


@pytest.fixture(scope="module")
def whole(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneReport:
    """Twenty epochs from random weights."""
    output = tmp_path_factory.mktemp("runs") / "textures"
    return finetune(textures, output, settings=quick_settings(epochs=20, lr=1.0, backbone_lr=0.05, head="bilinear"))


def test_a_run_leaves_the_documented_files(whole: FinetuneReport) -> None:
    assert {path.name for path in whole.output.iterdir()} - {".lock"} == {
        "config.yaml", "metrics.csv", "log.txt", "env.json", "last.safetensors", "best.safetensors", "checkpoints",
    }  # fmt: skip
    assert whole.model == whole.output / "best.safetensors"
    assert whole.steps == 40


def test_the_training_loss_falls(whole: FinetuneReport) -> None:
    losses = [float(loss) for (loss,) in read_rows(whole.output, "loss")]
    assert len(losses) == 40
    assert sum(losses[-4:]) < 0.75 * sum(losses[:4])


def test_the_model_is_evaluated_and_predicts_like_any_other(whole: FinetuneReport, textures: Path) -> None:
    model = load_model(whole.model, device="cpu", precision="float32")
    assert evaluate(textures, model, workers=0).top1 > 0.6
    (row,) = predict([textures / "test" / "rings" / "000.png"], model, k=3)
    assert row.status == "ok"
    assert sum(guess.prob for guess in row.top) == pytest.approx(1)


def test_the_model_s_header_has_the_best_validation_of_the_metrics(
    whole: FinetuneReport, textures: Path, tmp_path: Path
) -> None:
    told = read_description(whole.model).head["validation"]
    assert told["top1"] == whole.best_top1
    ((first, figures),) = [
        (epoch, top1) for epoch, top1 in read_rows(whole.output, "epoch", "val_top1")
        if top1 and int(epoch) == whole.best_epoch
    ]  # fmt: skip
    assert (int(first), float(figures)) == (whole.best_epoch, told["top1"])


def test_the_newest_model_of_a_folder_is_the_best_one(whole: FinetuneReport) -> None:
    assert find_model(whole.output).name == "best.safetensors"


@pytest.fixture(scope="module")
def with_val(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The textures with a validation split of their own."""
    root = tmp_path_factory.mktemp("listed")
    (root / "textures").symlink_to(textures)
    lines = ["path,label,split"]
    for path in sorted(textures.rglob("*.png")):
        split = path.relative_to(textures).parts[0]
        place = "val" if split == "train" and path.stem >= "006" else split
        lines.append(f"textures/{path.relative_to(textures)},{path.parent.name},{place}")
    (root / "dataset.csv").write_text("\n".join(lines) + "\n")
    return root / "dataset.csv"


ALL_HEADS: dict[str, dict[str, Any]] = {
    "linear": {"head": "linear"},
    "learned reduction": {"head": "bilinear-reduce4"},
    "compact": {"head": "compact-d32"},
    "max": {"head": "max"},
    "fb": {"head": "fb", "factors": 3},
    "fb, a mask for each image": {"head": "fb", "factors": 3, "drop_mask": "sample", "diagonal": True},
    "fb, as the authors evaluate": {"head": "fb", "factors": 3, "test_scale": "keep"},
    "tanh": {"head": "tanh"},
    "fc": {"head": "fc"},
    "network with fb": SMALL_NETWORK | {"head": "fb"},
    "network with fc": SMALL_NETWORK | {"head": "fc"},
}


@pytest.mark.parametrize("changes", ALL_HEADS.values(), ids=ALL_HEADS)
def test_the_model_file_predicts_as_the_classifier_did_in_its_validation(
    with_val: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    report = finetune(with_val, tmp_path / "run", settings=quick_settings(**changes, ema_decay=0.5))
    told = read_description(report.model).head["validation"]
    model = load_model(report.model, device="cpu", precision="float32")
    found = evaluate(with_val, model, split="val", workers=0)
    assert found.n == told["images"] == 6
    assert found.top1 == told["top1"] == report.best_top1
    # The file's temperature is that of the training times the temperature fitted to the validation's scores.
    val = open_dataset(with_val).subset("val").samples
    images = torch.stack([model.transform(decode_image(sample.path)) for sample in val])
    scores = model.logits(images) / model.head.temperature * told["temperature"]
    loss = cross_entropy(scores, torch.tensor([sample.label for sample in val]))
    assert float(loss) == pytest.approx(told["loss"], rel=1e-4)


def test_a_run_without_validation_images_ends_with_its_last_model(textures: Path, tmp_path: Path) -> None:
    report = finetune(textures, tmp_path / "run", settings=quick_settings(val_fraction=0))
    assert report.model.name == "last.safetensors"
    assert report.best_epoch == 0
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_patience_stops_early(textures: Path, tmp_path: Path) -> None:
    # At this rate nothing changes, so that the first epoch stays the best.
    settings = quick_settings(epochs=9, patience=2, lr=1e-12, backbone_lr=1e-12)
    report = finetune(textures, tmp_path / "run", settings=settings)
    assert (report.best_epoch, report.steps) == (1, 6)
    assert "stopped early: no better validation than in epoch 1 for 2 epochs" in (tmp_path / "run/log.txt").read_text()


def test_test_images_are_never_opened(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=4, test=2)
    for image in (data / "test").rglob("*.png"):
        image.write_bytes(b"no image")
    assert finetune(data, tmp_path / "run", settings=quick_settings(epochs=1)).failures == ()


def test_a_training_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=4, test=1)
    (data / "train" / "rings" / "001.png").write_bytes(b"")
    settings = quick_settings(val_fraction=0, epochs=2)
    with pytest.raises(DataError, match=r"train/rings/001.png: zero bytes\. Remove or repair them \(fbn data check"):
        finetune(data, tmp_path / "run", settings=settings)
    report = finetune(data, tmp_path / "run", settings=settings, on_error="skip", overwrite=True)
    assert report.failures == ("train/rings/001.png: zero bytes",)


def test_a_validation_image_that_cannot_be_read_is_named(with_val: Path, tmp_path: Path) -> None:
    rows = [line for line in with_val.read_text().splitlines() if not line.endswith(",test")]
    (tmp_path / "textures").symlink_to(with_val.parent / "textures")
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "data.csv").write_text("\n".join([*rows, "bad.png,rings,val"]) + "\n")
    settings = quick_settings(epochs=1)
    with pytest.raises(DataError, match=r"images cannot be read: bad\.png: not a JPEG"):
        finetune(tmp_path / "data.csv", tmp_path / "run", settings=settings)
    report = finetune(tmp_path / "data.csv", tmp_path / "run", settings=settings, on_error="skip", overwrite=True)
    assert [failure.split(":")[0] for failure in report.failures] == ["bad.png"]


def test_rates_that_are_far_too_high_stop_with_advice(textures: Path, tmp_path: Path) -> None:
    settings = quick_settings(lr=1e30, backbone_lr=1e30, val_fraction=0, epochs=9, sched="constant")
    with pytest.raises(NumericsError, match=r"not finite in 3 batches in a row.*lower --lr"):
        finetune(textures, tmp_path / "run", settings=settings)
    assert "the batch is skipped; its images: train/" in (tmp_path / "run" / "log.txt").read_text()


def test_a_network_has_its_published_image_size_factors_and_preprocessing(textures: Path, tmp_path: Path) -> None:
    settings = FinetuneSettings(network="resnet164", blocks=1, width=4, head="fb", workers=0, device="cpu")
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAtOnce())
    made = resolve_settings(FinetuneSettings, section="finetune", recipe=str(tmp_path / "run" / "config.yaml"))
    assert (made.image_size, made.factors) == (32, 20)
    about = read_description(tmp_path / "run" / "last.safetensors").backbone
    assert about["preprocessing"]["mean"] == [123.68, 116.779, 103.939]
    assert about["network"] == {"name": "resnet164", "blocks": 1, "width": 4}
