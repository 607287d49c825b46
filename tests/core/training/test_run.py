"""Reports, and data that cannot be trained on; test_finetune.py runs whole trainings."""

import shutil
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.errors import DataError, UsageError
from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.progress import SilentTrainingProgress
from birdnet_cli.core.training.run import FinetuneReport, TrainingJob, run_training
from birdnet_cli.core.training.run_folder.run_directory import RunDirectory
from tests.core.textures import write_textures
from tests.core.training.quick import quick_settings


def run(data: Path, output: Path, settings: FinetuneSettings) -> FinetuneReport:
    job = TrainingJob(
        data, output, settings, data_format="auto", bbox=False, resume=False, overwrite=False, on_error="fail"
    )
    return run_training(job, Processes(torch.device("cpu")), SilentTrainingProgress())


@pytest.mark.parametrize(
    ("epoch", "line"),
    [
        (3, "run/m.safetensors: 1,234 updates; best validation top-1 50.00% in epoch 3; 2.5 s"),
        (0, "run/m.safetensors: 1,234 updates; 2.5 s"),
    ],
)
def test_a_report_is_summed_up_in_a_line(epoch: int, line: str) -> None:
    report = FinetuneReport(Path("run"), Path("run/m.safetensors"), 1234, epoch, 0.5, (), 2.5)
    assert report.summary() == line


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=2, test=1)
    for split in ("train", "test"):
        for name in ("rings", "stripes"):
            shutil.rmtree(data / split / name)
    with pytest.raises(DataError, match="needs images of two or more classes, found the class checks only"):
        run(data, tmp_path / "run", quick_settings())


def test_patience_without_validation_images_is_refused(textures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"patience needs validation images: set finetune.val_fraction above 0"):
        run(textures, tmp_path / "run", quick_settings(patience=2, val_fraction=0))


def test_the_run_directory_is_unlocked_after_an_error(textures: Path, tmp_path: Path) -> None:
    # The traceback in `caught` keeps the run directory alive: without it, the collector would release the lock.
    with pytest.raises(UsageError) as caught:
        run(textures, tmp_path / "run", quick_settings(patience=2, val_fraction=0))
    assert caught.tb is not None
    RunDirectory.open(tmp_path / "run", resume=False, overwrite=False).close()
