from pathlib import Path

import pytest

from birdnet_cli.core.training.run_folder.metrics_csv import MetricsFile, MetricsRow


def row(step: int, **changes: float) -> MetricsRow:
    values: dict[str, float | None] = {
        "epoch": 1, "step": step, "lr": 0.1, "backbone_lr": 0.001, "loss": 0.1 + 0.2, "top1": None, "grad_norm": 2.0,
        "skipped": 0, "images_per_second": 9.5, "memory_mb": 100.0,
    }  # fmt: skip
    return MetricsRow(**(values | changes))  # type: ignore[arg-type]


HEADER = (
    "epoch,step,lr,backbone_lr,loss,top1,grad_norm,skipped,images_per_second,memory_mb,val_loss,val_top1,val_top5\n"
)


def test_numbers_are_written_exactly_and_none_is_empty(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "m.csv", step=0)
    metrics.add(row(1))
    metrics.add(row(2, val_loss=1.0, val_top1=0.5, val_top5=1.0))
    assert (tmp_path / "m.csv").read_text() == HEADER + (
        "1,1,0.1,0.001,0.30000000000000004,,2.0,0,9.5,100.0,,,\n"
        "1,2,0.1,0.001,0.30000000000000004,,2.0,0,9.5,100.0,1.0,0.5,1.0\n"
    )


def test_rows_after_the_last_checkpoint_are_removed(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "m.csv", step=0)
    for step in (5, 10, 15):
        metrics.add(row(step))
    before = (tmp_path / "m.csv").read_text().splitlines(keepends=True)
    MetricsFile(tmp_path / "m.csv", step=10)
    assert (tmp_path / "m.csv").read_text() == "".join(before[:3])


def test_an_incomplete_row_is_removed_though_its_step_looks_smaller(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "m.csv", step=0)
    metrics.add(row(12))
    whole = (tmp_path / "m.csv").read_text()
    # The beginning of a row of step 120.
    (tmp_path / "m.csv").write_text(whole + "1,12")
    MetricsFile(tmp_path / "m.csv", step=100)
    assert (tmp_path / "m.csv").read_text() == whole


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device without space")
def test_a_row_that_the_disk_refuses_names_the_file(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "m.csv", step=0)
    metrics.path.unlink()
    metrics.path.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '.*m\.csv'"):
        metrics.add(row(1))
