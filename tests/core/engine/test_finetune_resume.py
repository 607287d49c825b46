"""A training that is stopped and goes on."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from birdnet_cli.core.engine.finetune import FinetuneReport, finetune
from birdnet_cli.core.errors import (
    CheckpointError,
    TrainingInterruptedError,
)
from birdnet_cli.core.model import load_model
from birdnet_cli.core.recipe import FinetuneSettings, resolve_settings
from birdnet_cli.core.training.progress import SilentTrainingProgress, TrainingStatus
from tests.core.textures import write_textures
from tests.core.training.quick import SMALL_NETWORK, quick_settings, read_rows, same_tensors


class StopAt(SilentTrainingProgress):
    """InterruptHandler after an update, or during the validation after it."""

    def __init__(self, step: int, *, validating: bool = False) -> None:
        self.step = step
        self.validating = validating
        self.now = 0

    @contextmanager
    def training(self, *, start: int, total: int) -> Iterator[Callable[[TrainingStatus], None]]:
        def see(moment: TrainingStatus) -> None:
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
        expected, found = (report.output / f"{name}.safetensors" for report in (first, second))
        assert found.read_bytes() == expected.read_bytes()
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


def test_resuming_a_finished_run_changes_no_file(unbroken: FinetuneReport, textures: Path) -> None:
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


def test_other_images_are_refused(unbroken: FinetuneReport, tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=7, test=1)
    with pytest.raises(CheckpointError, match="was trained on other images"):
        finetune(data, unbroken.output, resume=True)


def test_the_settings_of_a_run_train_the_same_again(unbroken: FinetuneReport, textures: Path, tmp_path: Path) -> None:
    recipe = str(unbroken.output / "config.yaml")
    settings = resolve_settings(FinetuneSettings, section="finetune", recipe=recipe)
    assert_same_run(unbroken, finetune(textures, tmp_path / "again", settings=settings))


def test_dropped_factors_are_the_same_after_an_interruption(textures: Path, tmp_path: Path) -> None:
    settings = quick_settings(**SMALL_NETWORK, head="fb", drop_mask="sample", epochs=3, checkpoint_activations=False)
    unbroken = finetune(textures, tmp_path / "unbroken", settings=settings)
    with pytest.raises(TrainingInterruptedError):
        finetune(textures, tmp_path / "run", settings=settings, progress=StopAt(3))
    assert_same_run(unbroken, finetune(textures, tmp_path / "run", resume=True))
