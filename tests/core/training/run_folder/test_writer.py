"""Files that a training writes as it goes on: rank 0 alone, each checkpoint once."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from birdnet_cli.core.model import read_description
from birdnet_cli.core.training.counters import TrainingCounters, Validation
from birdnet_cli.core.training.progress import SilentTrainingProgress
from birdnet_cli.core.training.run_folder import writer as module
from birdnet_cli.core.training.run_folder.metrics_csv import MetricsRow
from birdnet_cli.core.training.run_folder.run_directory import RunDirectory
from birdnet_cli.core.training.run_folder.writer import RunWriter
from tests.core.training.quick import cpu_context, quick_settings, small_classifier, small_parts

VALIDATION = Validation(images=8, loss=1.25, top1=0.5, top5=0.75, temperature=2.0)


class Notes(SilentTrainingProgress):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def writer(run: RunDirectory | None, progress: SilentTrainingProgress | None = None) -> RunWriter:
    settings = quick_settings()
    return RunWriter(
        run, small_parts(small_classifier(), settings), cpu_context(settings, progress), counters=TrainingCounters(),
        facts={"data": "d", "world_size": 1}, provenance={"data": "d"},
    )  # fmt: skip


def row(step: int) -> MetricsRow:
    return MetricsRow(
        epoch=1, step=step, lr=0.1, backbone_lr=0.1, loss=1.0, top1=None, grad_norm=None, skipped=0,
        images_per_second=1.0, memory_mb=1.0,
    )  # fmt: skip


def test_a_process_other_than_rank_0_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = writer(None)
    made.write_row(row(1))
    made.save_checkpoint(TrainingCounters(step=1))
    made.write_model("last", counters=TrainingCounters(step=1), validation=None)
    made.note("text")
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_saved_once_and_again_after_its_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[tuple[int, int]] = []
    monkeypatch.setattr(
        module, "save_checkpoint", lambda _, made: saved.append((made.step, made.document["state"]["validated"]))
    )
    made = writer(RunDirectory(tmp_path))
    for counters in (TrainingCounters(step=3), TrainingCounters(step=3), TrainingCounters(step=3, validated=1)):
        made.save_checkpoint(counters)
    assert saved == [(3, 0), (3, 1)]


@pytest.mark.parametrize(("validation", "temperature"), [(VALIDATION, 2.0), (None, 1.0)])
def test_a_model_has_settings_step_and_validation_and_its_temperature(
    tmp_path: Path, validation: Validation | None, temperature: float
) -> None:
    made = writer(RunDirectory(tmp_path))
    made.write_model("best", counters=TrainingCounters(step=3), validation=validation)
    head = read_description(tmp_path / "best.safetensors").head
    assert (head["step"], head["finetune"]["image_size"]) == (3, 32)
    assert head["validation"] == (
        {"images": 8, "loss": 1.25, "top1": 0.5, "top5": 0.75, "temperature": 2.0} if validation else None
    )
    with safe_open(tmp_path / "best.safetensors", framework="pt") as file:
        (name,) = (key for key in file.keys() if key.endswith("temperature"))  # noqa: SIM118
        assert torch.equal(file.get_tensor(name), torch.tensor(temperature))


def test_rows_go_to_the_metrics(tmp_path: Path) -> None:
    writer(RunDirectory(tmp_path)).write_row(row(7))
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1].startswith("1,7,0.1,")


def test_a_note_is_logged_and_shown_and_a_line_of_the_log_is_not_shown(tmp_path: Path) -> None:
    progress = Notes()
    made = writer(RunDirectory(tmp_path), progress)
    made.note("shown")
    made.log("not shown")
    assert progress.texts == ["shown"]
    assert [line.split(" ", 2)[2] for line in (tmp_path / "log.txt").read_text().splitlines()] == ["shown", "not shown"]
