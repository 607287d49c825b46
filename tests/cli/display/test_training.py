"""What is shown of a training: on a terminal a bar, elsewhere a line per interval."""

import io
import pickle

import pytest
from rich.console import Console

from birdnet_cli.cli.display import training as finetune_display
from birdnet_cli.cli.display.training import TrainingDisplay
from birdnet_cli.core.training.progress import TrainingStatus


def moment(step: int, *, logged: bool = False) -> TrainingStatus:
    return TrainingStatus(
        epoch=2, epochs=3, step=step, steps=30, loss=1.25, lr=0.05, images_per_second=12.34, seconds_left=3725.4,
        memory=2_500_000_000, logged=logged,
    )  # fmt: skip


def test_a_pipe_gets_one_line_per_interval(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay().training(start=0, total=30) as show:
        show(moment(11))
        show(moment(12, logged=True))
    assert capsys.readouterr().err == (
        "epoch 2 of 3, step 12 of 30: loss 1.2500, 12.3 images/s, 1:02:05 left, 2.50 GB, lr 0.05\n"
    )


def test_a_terminal_gets_a_bar_with_rate_time_left_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, highlight=False)
    monkeypatch.setattr(finetune_display, "stderr", console)
    with TrainingDisplay().training(start=10, total=30) as show:
        show(moment(12))
    shown = screen.getvalue()
    for part in ("epoch 2 of 3", "12/30", "12.3 images/s", "1:02:05 left", "2.50 GB", "loss 1.2500"):
        assert part in shown


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay(quiet=True).training(start=0, total=30) as show:
        show(moment(12, logged=True))
    assert capsys.readouterr().err == ""


def test_it_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(TrainingDisplay(quiet=True))).quiet
