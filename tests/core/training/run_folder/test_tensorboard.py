import sys
from pathlib import Path

import pytest

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.training.run_folder.tensorboard import open_events

ROW = {"step": 7, "loss": 0.5, "val_top1": None}


def test_rows_become_scalars_at_their_step(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the [track] extra"
    )
    write = open_events("tensorboard", tmp_path / "events", step=0)
    write(ROW)
    write(ROW | {"step": 8, "loss": 0.25, "val_top1": 1.0})
    found = accumulator.EventAccumulator(str(tmp_path / "events"))
    found.Reload()
    assert sorted(found.Tags()["scalars"]) == ["loss", "val_top1"]
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [(7, 0.5), (8, 0.25)]


def test_events_of_steps_that_are_done_again_are_hidden(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the [track] extra"
    )
    for step, loss in ((0, 0.5), (5, 0.25)):
        write = open_events("tensorboard", tmp_path / "events", step=step)
        for number in range(step + 1, 9):
            write({"step": number, "loss": loss})
    found = accumulator.EventAccumulator(str(tmp_path / "events"))
    found.Reload()
    assert [event.value for event in found.Scalars("loss")] == [0.5] * 5 + [0.25] * 3


def test_none_writes_nothing(tmp_path: Path) -> None:
    open_events("none", tmp_path / "events", step=0)(ROW)
    assert not (tmp_path / "events").exists()


def test_without_tensorboard_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorboard", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"pip install 'birdnet-cli\[track\]'"):
        open_events("tensorboard", tmp_path / "events", step=0)
