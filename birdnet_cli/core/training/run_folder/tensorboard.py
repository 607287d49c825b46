"""TensorBoard events of the metrics, written with `--track tensorboard`."""

from collections.abc import Callable, Mapping
from pathlib import Path

from birdnet_cli.core.errors import UsageError

__all__ = ["open_events"]

X_AXIS = "step"


def open_events(track: str, folder: Path, *, step: int) -> Callable[[Mapping[str, float | None]], None]:
    """Return a function that writes a row of the metrics as events.

    Args:
        track: `none` or `tensorboard`; with `none` the function does nothing.
        folder: folder of the event files.
        step: step of the last event to keep; TensorBoard hides later events, of a session that was cut off.

    Raises:
        UsageError: tensorboard is not installed.
    """
    if track == "none":
        return lambda _row: None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("finetune.track: tensorboard needs python -m pip install 'birdnet-cli[track]'") from error
    writer = SummaryWriter(log_dir=str(folder), purge_step=step + 1)

    def write(row: Mapping[str, float | None]) -> None:
        for name, value in row.items():
            if value is not None and name != X_AXIS:
                writer.add_scalar(name, value, row[X_AXIS])
        writer.flush()

    return write
