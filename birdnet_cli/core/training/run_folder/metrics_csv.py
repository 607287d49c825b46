"""`metrics.csv`: one row per interval of updates; the last row of an epoch also has its validation figures."""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from birdnet_cli.core.atomic import append_bytes, write_bytes_atomically

__all__ = ["MetricsFile", "MetricsRow"]


@dataclass(frozen=True, slots=True)
class MetricsRow:
    """One row.

    Attributes:
        epoch: from 1.
        step: updates done.
        lr, backbone_lr: rates of the last update.
        loss: mean training loss of the interval's images.
        top1: share of these that were right, before the update; None where images were mixed.
        grad_norm: of the last update, before clipping; None where it was not finite.
        skipped: updates left out so far because of values that were not finite.
        images_per_second: of the interval.
        memory_mb: peak of this process, of the GPU where there is one, else resident.
        val_loss, val_top1, val_top5: on the validation images.
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
    """Appends rows.

    Args:
        path: the file.
        step: rows beyond this update, of a session that was cut off after its last checkpoint, are removed.
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
    # A row that a kill cut off is short, whatever its last digits say.
    return all(row.get(name) is not None for name in COLUMNS) and row["step"].isdigit()


def _text(value: float) -> str:
    # A float's shortest exact form: two runs that differ in their last bit differ here.
    return repr(value)


def _format(*rows: list[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
