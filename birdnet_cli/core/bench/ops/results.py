"""Results of `fbn bench ops`."""

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Ceilings", "OpReport", "OpRow", "PassRow"]


@dataclass(frozen=True, slots=True)
class PassRow:
    """Time and memory of a contender's forward, or of its forward and gradient together.

    Attributes:
        seconds: per call; the median of the samples.
        speed: the time of `eager` in float32 on the same shape, over this contender's; None where `eager` was not
            measured.
        gemm_share: rate of the leanest arithmetic that gives this result, as a fraction of a large matrix product's in
            the same dtype.
        extra_bytes: most memory in use beyond the input, the result included; None where the system does not tell.
    """

    seconds: float
    speed: float | None
    gemm_share: float
    extra_bytes: int | None


@dataclass(frozen=True, slots=True)
class OpRow:
    """The times of a contender on a shape.

    Attributes:
        op: the op's name.
        shape: `NxCxL`.
        dtype: dtype of the input.
        contender: its name.
        forward: without gradients.
        both: forward and the gradient of x.
    """

    op: str
    shape: str
    dtype: str
    contender: str
    forward: PassRow
    both: PassRow


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The machine's limits, measured in the same run; medians.

    Attributes:
        gemm: dtype -> operations per second of a large square matrix product.
        copy: bytes per second, read and written, of a large copy.
    """

    gemm: dict[str, float]
    copy: float


@dataclass(frozen=True, slots=True)
class OpReport:
    """All rows, and what they were measured on.

    Attributes:
        machine: device, threads, versions, and the implementation of each op that ran.
        ceilings: ceilings of the machine.
        rows: a row for each op, shape, dtype and contender.
    """

    machine: dict[str, Any]
    ceilings: Ceilings
    rows: tuple[OpRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return asdict(self)
