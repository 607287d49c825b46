"""`metrics.csv`: a row per interval of updates; the last row of an epoch also has its validation."""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from birdnet_cli.core.atomic import append_bytes, write_bytes_atomically

__all__ = ["MetricsFile", "MetricsRow"]


@dataclass(frozen=True, slots=True)
class MetricsRow:
    """A row of the metrics; the fields are the columns.

    Attributes:
        epoch: number of the epoch, from 1.
        step: updates done, in all epochs.
        lr, backbone_lr: learning rates of the last update.
        loss: mean training loss of the interval's images.
        top1: share of the interval's images classified correctly before their update, in 0..1; None if images were
            mixed.
        grad_norm: gradient norm of the last update before clipping; None if it was not finite.
        skipped: updates skipped so far because loss or gradient was not finite.
        images_per_second: speed of the interval.
        memory_mb: peak memory so far in MB, of the GPU if the training runs on a GPU, else of the process.
        val_loss, val_top1, val_top5: validation; None in all rows but the last of an epoch.
    """

    epoch: int
    step: int
    lr: float
    backbone_lr: float
    loss: float
    top1: float | None
    grad_norm: float | None
    skipped: int
    images_per_second: float
    memory_mb: float
    val_loss: float | None = None
    val_top1: float | None = None
    val_top5: float | None = None


COLUMNS = [field.name for field in fields(MetricsRow)]


class MetricsFile:
    """Appends rows to `metrics.csv`.

    Args:
        path: the file; rows that it has are kept.
        step: step of the last row to keep; later rows, of a session that ended after its last checkpoint, are removed.
    """

    def __init__(self, path: Path, *, step: int) -> None:
        self.path = path
        kept = []
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.DictReader(file) if _is_whole(row) and int(row["step"]) <= step]
        write_bytes_atomically(path, _format(COLUMNS, *([row[name] for name in COLUMNS] for row in kept)))

    def add(self, row: MetricsRow) -> None:
        """Append a row."""
        append_bytes(self.path, _format(["" if value is None else _text(value) for value in asdict(row).values()]))


def _is_whole(row: dict[str, str]) -> bool:
    # A kill while the row was written leaves too few columns.
    return all(row.get(name) is not None for name in COLUMNS) and row["step"].isdigit()


def _text(value: float) -> str:
    # The shortest text that reads back as the same float.
    return repr(value)


def _format(*rows: list[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
