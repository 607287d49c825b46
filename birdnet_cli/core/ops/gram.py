"""What the ops on Gram matrices G = X X^T share: the layout of X, the accumulating dtype, and portions of a batch."""

from collections.abc import Iterator

import torch
from torch import Tensor

from birdnet_cli.core.device import dtype_name
from birdnet_cli.core.errors import UsageError

__all__ = ["accumulation_dtype", "as_matrices", "image_portions"]

# A reference holds the Gram matrices of this many bytes at a time: enough images to keep every core busy, few enough
# that memory does not grow with the batch (one image at the least).
GRAM_BYTES = 16 * 2**20

INPUT_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def as_matrices(x: Tensor) -> Tensor:
    """View a feature map as a matrix for each image.

    Args:
        x: Tensor[N, C, L] or Tensor[N, C, H, W], floating point, any strides; C, L >= 1.

    Returns:
        Tensor[N, C, L]; a view where the strides allow it (contiguous and channels_last maps do).

    Raises:
        UsageError: another number of dimensions, another dtype, no channels or no positions.
    """
    if x.dim() not in (3, 4):
        raise UsageError(f"expected a feature map [N, C, L] or [N, C, H, W], got {x.dim()} dimensions")
    if x.dtype not in INPUT_DTYPES:
        names = ", ".join(dtype_name(dtype) for dtype in INPUT_DTYPES)
        raise UsageError(f"expected a feature map of {names}, got {x.dtype}; convert it first")
    matrices = x.flatten(2)  # [N, C, L]
    if matrices.shape[1] == 0 or matrices.shape[2] == 0:
        raise UsageError(f"expected at least one channel and one position, got {tuple(x.shape)}")
    return matrices


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype of products, sums and results: float64 for float64, float32 for everything narrower."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def image_portions(x: Tensor) -> Iterator[slice]:
    """Yield slices of the images of x [N, C, L] whose Gram matrices fit into `GRAM_BYTES` together."""
    N, C, _ = x.shape
    images = max(1, GRAM_BYTES // (C * C * accumulation_dtype(x.dtype).itemsize))
    for start in range(0, N, images):
        yield slice(start, min(start + images, N))
