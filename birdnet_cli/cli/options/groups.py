"""Groups of options that several commands share, for `with_groups`."""

from typing import NamedTuple

from birdnet_cli.cli.options.shared import (
    BatchSize,
    BBox,
    DataFormat,
    Device,
    ModelFile,
    ModelSha256,
    Precision,
    Weights,
    Workers,
)

__all__ = ["DataReading", "ModelChoice", "ModelRun"]


class DataReading(NamedTuple):
    """How a data set is read."""

    data_format: DataFormat = "auto"
    bbox: BBox = False


class ModelChoice(NamedTuple):
    """The model file, and the checksum that it must have."""

    model: ModelFile = None
    sha256: ModelSha256 = None


class ModelRun(NamedTuple):
    """How a model is run on a data set."""

    weights: Weights = "auto"
    precision: Precision = "auto"
    batch_size: BatchSize = 16
    workers: Workers = 2
    device: Device = "auto"
