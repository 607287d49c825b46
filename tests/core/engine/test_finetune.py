"""A whole training of textures, and the model file that it leaves."""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import decode_image, open_dataset
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.finetune import FinetuneReport, finetune
from birdnet_cli.core.engine.model_file import read_description, read_model_file, write_model_file
from birdnet_cli.core.engine.models import find_model
from birdnet_cli.core.engine.predict import load_model, predict
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.engine.training.watch import Moment, SilentTrainingProgress
from birdnet_cli.core.errors import (
    CheckpointError,
    DataError,
    ModelFileError,
    NumericsError,
    TrainingInterruptedError,
    UsageError,
)
from birdnet_cli.core.recipe import FinetuneSettings, HeadSettings, resolve_settings
from tests.core.engine.textures import small_settings, write_textures
from tests.core.engine.training.quick import quick_settings, read_rows, same_tensors


@pytest.fixture(scope="module")
def whole(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneReport:
    """Twenty epochs from random weights."""
    output = tmp_path_factory.mktemp("runs") / "textures"
    return finetune(textures, output, settings=quick_settings(epochs=20, lr=1.0, backbone_lr=0.05, head="bilinear"))


def test_a_run_leaves_what_its_documentation_says(whole: FinetuneReport) -> None:
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


def test_the_model_says_how_it_was_validated_and_that_is_true(
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


# --- starting from a solved head


@pytest.fixture(scope="module")
def frozen(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen")
    settings = small_settings(layer="relu1_2", pooling="bilinear,bilinear-reduce8,compact-d64")
    cache = extract(textures, folder / "cache.h5", settings=settings).output
    for name in ("bilinear", "bilinear-reduce8", "compact-d64"):
        made = HeadSettings(C=1000.0, cv=2)
        train_head(cache, folder / f"{name}.safetensors", pooling=name, settings=made, weights="none")
    return folder


class StopAtOnce(SilentTrainingProgress):
    """Interrupts before the first update, so that what is saved is the start."""

    @contextmanager
    def training(self, *, start: int, total: int) -> Iterator[Callable[[Moment], None]]:
        signal.raise_signal(signal.SIGTERM)
        yield lambda _moment: None


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


def test_what_is_not_given_comes_from_the_model_file(frozen: Path, textures: Path, tmp_path: Path) -> None:
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


# --- heads


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


SMALL_NETWORK = {"network": "resnet164", "blocks": 1, "width": 4, "lr": 0.02, "layer": None}
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
def test_what_was_validated_is_what_the_model_file_predicts(
    with_val: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    report = finetune(with_val, tmp_path / "run", settings=quick_settings(**changes, ema_decay=0.5))
    told = read_description(report.model).head["validation"]
    model = load_model(report.model, device="cpu", precision="float32")
    found = evaluate(with_val, model, split="val", workers=0)
    assert found.n == told["images"] == 6
    assert found.top1 == told["top1"] == report.best_top1
    # The temperature of the file is the training's own times the one that was fitted to the validation's scores.
    val = open_dataset(with_val).subset("val").samples
    images = torch.stack([model.transform(decode_image(sample.path)) for sample in val])
    scores = model.logits(images) / model.head.temperature * told["temperature"]
    loss = cross_entropy(scores, torch.tensor([sample.label for sample in val]))
    assert float(loss) == pytest.approx(told["loss"], rel=1e-4)


def test_a_learned_reduction_starts_from_the_pca_of_training_images_and_learns(
    frozen: Path, textures: Path, tmp_path: Path
) -> None:
    settings = quick_settings(head="bilinear-reduce8", val_fraction=0)
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAtOnce())
    solved = read_model_file(frozen / "bilinear-reduce8.safetensors")[1]["pooling"]
    start = read_model_file(tmp_path / "run" / "last.safetensors")[1]["pooling"]
    # `frozen` is fitted on 12 of the 24 images that this one is fitted on: the leading direction is nearly the same.
    assert float(start["reduction.weight"][0] @ solved["reduction.weight"][0]) > 0.99
    finetune(textures, tmp_path / "run", resume=True)
    end = read_model_file(tmp_path / "run" / "last.safetensors")[1]["pooling"]
    assert not torch.equal(end["reduction.weight"], start["reduction.weight"])


# --- going on


class StopAt(SilentTrainingProgress):
    """Interrupts after an update, or during the validation after it."""

    def __init__(self, step: int, *, validating: bool = False) -> None:
        self.step = step
        self.validating = validating
        self.now = 0

    @contextmanager
    def training(self, *, start: int, total: int) -> Iterator[Callable[[Moment], None]]:
        def see(moment: Moment) -> None:
            self.now = moment.step
            if moment.step == self.step and not self.validating:
                signal.raise_signal(signal.SIGTERM)

        yield see

    @contextmanager
    def stage(self, title: str, *, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        if self.validating and self.now == self.step and title == "validate":
            signal.raise_signal(signal.SIGTERM)
        yield lambda _units: None


VARIED: dict[str, Any] = {
    "epochs": 3, "ema_decay": 0.9, "mixup": 0.2, "cutmix": 0.5, "slow_start_epochs": 1, "freeze_epochs": 1,
    "accumulate": 2, "clip_grad": 1.0, "head": "bilinear", "batch_size": 6, "weight_decay": 1e-4, "log_steps": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuneReport:
    return finetune(textures, tmp_path_factory.mktemp("unbroken") / "run", settings=quick_settings(**VARIED))


@pytest.mark.parametrize(
    "stop",
    [StopAt(1), StopAt(4), StopAt(6), StopAt(6, validating=True)],
    ids=["mid-epoch", "mid-interval", "epoch's end", "validation"],
)
def test_an_interrupted_run_goes_on_bit_for_bit(
    unbroken: FinetuneReport, textures: Path, tmp_path: Path, stop: StopAt
) -> None:
    with pytest.raises(TrainingInterruptedError, match=f"stopped by SIGTERM after step {stop.step} of 9") as caught:
        finetune(textures, tmp_path / "run", settings=quick_settings(**VARIED), progress=stop)
    assert caught.value.exit_code == 143
    assert load_model(tmp_path / "run" / "last.safetensors", device="cpu").classes == ("checks", "rings", "stripes")
    report = finetune(textures, tmp_path / "run", resume=True)
    assert_same_run(unbroken, report)


def assert_same_run(first: FinetuneReport, second: FinetuneReport) -> None:
    columns = ("epoch", "step", "lr", "loss", "top1", "grad_norm", "val_loss", "val_top1")
    assert read_rows(second.output, *columns) == read_rows(first.output, *columns)
    for name in ("last", "best"):
        one, other = (report.output / f"{name}.safetensors" for report in (first, second))
        assert other.read_bytes() == one.read_bytes()
    newest = f"checkpoints/step-{first.steps:08d}.safetensors"
    assert same_tensors(first.output / newest, second.output / newest)
    assert (second.best_epoch, second.best_top1) == (first.best_epoch, first.best_top1)


def test_a_row_written_just_before_a_kill_is_there_once(
    unbroken: FinetuneReport, textures: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=quick_settings(**VARIED), progress=StopAt(6, validating=True))
    # A second session validated and wrote the epoch's row, and was killed before it could save that it had.
    (row,) = [line for line in (unbroken.output / "metrics.csv").read_text().splitlines() if line.startswith("2,6,")]
    with (tmp_path / "run" / "metrics.csv").open("a") as file:
        file.write(row + "\n")
    assert_same_run(unbroken, finetune(textures, tmp_path / "run", resume=True))


def test_a_finished_run_has_nothing_to_go_on_with(unbroken: FinetuneReport, textures: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in unbroken.output.rglob("*.safetensors")}
    assert finetune(textures, unbroken.output, resume=True).steps == unbroken.steps
    assert {path: path.stat().st_mtime_ns for path in unbroken.output.rglob("*.safetensors")} == before


def test_a_damaged_checkpoint_costs_one_interval(textures: Path, tmp_path: Path, unbroken: FinetuneReport) -> None:
    settings = quick_settings(**VARIED, checkpoint_steps=2)
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAt(5))
    newest = tmp_path / "run" / "checkpoints" / "step-00000005.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    report = finetune(textures, tmp_path / "run", resume=True)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "step-00000005.safetensors: damaged: it does not match its digest; going on from step 4" in log
    columns = ("step", "loss", "val_loss")
    assert read_rows(report.output, *columns) == read_rows(unbroken.output, *columns)


def test_more_epochs_may_follow_unless_a_cosine_has_ended(textures: Path, tmp_path: Path) -> None:
    constant = quick_settings(sched="constant", epochs=1)
    finetune(textures, tmp_path / "run", settings=constant)
    longer = finetune(textures, tmp_path / "run", settings=FinetuneSettings(epochs=2), resume=True)
    whole = finetune(textures, tmp_path / "whole", settings=quick_settings(sched="constant", epochs=2))
    assert read_rows(longer.output, "step", "loss") == read_rows(whole.output, "step", "loss")
    finetune(textures, tmp_path / "cosine", settings=quick_settings(epochs=1))
    with pytest.raises(CheckpointError, match=r"made with other settings: epochs \(1, asked for: 2\)"):
        finetune(textures, tmp_path / "cosine", settings=FinetuneSettings(epochs=2), resume=True)


def test_other_settings_are_refused_and_all_named(unbroken: FinetuneReport, textures: Path) -> None:
    other = FinetuneSettings(seed=1, batch_size=4, workers=0)
    with pytest.raises(CheckpointError, match=r"seed \(0, asked for: 1\).*; leave them out to resume") as caught:
        finetune(textures, unbroken.output, settings=other, resume=True)
    assert "batch_size (6, asked for: 4)" in str(caught.value)


def test_other_images_are_refused(unbroken: FinetuneReport, tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=7, test=1)
    with pytest.raises(CheckpointError, match="was trained on other images"):
        finetune(data, unbroken.output, resume=True)


def test_the_settings_of_a_run_train_the_same_again(unbroken: FinetuneReport, textures: Path, tmp_path: Path) -> None:
    recipe = str(unbroken.output / "config.yaml")
    settings = resolve_settings(FinetuneSettings, section="finetune", recipe=recipe)
    assert_same_run(unbroken, finetune(textures, tmp_path / "again", settings=settings))


# --- judging


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


def test_patience_needs_something_to_wait_for(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"patience needs validation images: set finetune.val_fraction above 0"):
        finetune(textures, tmp_path / "run", settings=quick_settings(patience=2, val_fraction=0))


def test_test_images_are_never_opened(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=4, test=2)
    for image in (data / "test").rglob("*.png"):
        image.write_bytes(b"no image")
    assert finetune(data, tmp_path / "run", settings=quick_settings(epochs=1)).failures == ()


# --- bad images and bad numbers


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


def test_one_class_alone_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=2, test=1)
    for split in ("train", "test"):
        for name in ("rings", "stripes"):
            shutil.rmtree(data / split / name)
    with pytest.raises(DataError, match="tells classes apart, and there is one alone: checks"):
        finetune(data, tmp_path / "run", settings=quick_settings())


def test_rates_that_are_far_too_high_stop_with_advice(textures: Path, tmp_path: Path) -> None:
    settings = quick_settings(lr=1e30, backbone_lr=1e30, val_fraction=0, epochs=9, sched="constant")
    with pytest.raises(NumericsError, match=r"not finite in 3 batches in a row.*lower --lr"):
        finetune(textures, tmp_path / "run", settings=settings)
    assert "the batch is left out; its images: train/" in (tmp_path / "run" / "log.txt").read_text()


# --- the Factorized Bilinear head


def test_dropped_factors_are_the_same_after_an_interruption(textures: Path, tmp_path: Path) -> None:
    settings = quick_settings(**SMALL_NETWORK, head="fb", drop_mask="sample", epochs=3, checkpoint_activations=False)
    unbroken = finetune(textures, tmp_path / "unbroken", settings=settings)
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAt(3))
    assert_same_run(unbroken, finetune(textures, tmp_path / "run", resume=True))


def test_a_network_takes_what_it_was_published_with_unless_told_otherwise(textures: Path, tmp_path: Path) -> None:
    settings = FinetuneSettings(network="resnet164", blocks=1, width=4, head="fb", workers=0, device="cpu")
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAtOnce())
    made = resolve_settings(FinetuneSettings, section="finetune", recipe=str(tmp_path / "run" / "config.yaml"))
    assert (made.image_size, made.factors) == (32, 20)
    about = read_description(tmp_path / "run" / "last.safetensors").backbone
    assert about["preprocessing"]["mean"] == [123.68, 116.779, 103.939]
    assert about["network"] == {"name": "resnet164", "blocks": 1, "width": 4}


def test_a_network_has_no_descriptor(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="resnet164 has the heads fb, fc, tanh, not 'bilinear'"):
        finetune(textures, tmp_path / "run", settings=FinetuneSettings(network="resnet164", device="cpu"))


def test_an_unknown_head_is_told_its_near_matches(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown head 'bilinaer': did you mean bilinear"):
        finetune(textures, tmp_path / "run", settings=quick_settings(head="bilinaer"))


def test_smoothed_labels_find_the_solved_head_as_certain_as_they_allow(
    frozen: Path, textures: Path, tmp_path: Path
) -> None:
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
