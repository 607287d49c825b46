"""Feature map [N, C, h, w] and weights of a linear score -> the contribution of each position to the score, [N, h, w].

Every pooling here is a sum over positions, S = sum_p s_p, whose values are then scaled: u_k = S_k / (sqrt|S_k| ||z||).
A score <w, u> is therefore exactly a sum over positions, sum_p <c, s_p> with c_k = w_k / (sqrt|S_k| ||z||): no
gradient, no approximation. Max pooling gives each channel's term to the position that holds its maximum.
"""

import math

import torch
from torch import Tensor

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.poolings.bilinear import BilinearPooling
from birdnet_cli.core.poolings.compact import RandomMaclaurin, TensorSketch
from birdnet_cli.core.poolings.first_order import AvgPooling, MaxPooling
from birdnet_cli.core.poolings.pooling import Pooling

__all__ = ["divide_evidence"]


@torch.no_grad()
def divide_evidence(pooling: Pooling, x: Tensor, weight: Tensor) -> Tensor:
    """Divide the score <weight, pooling(x)> of each image among its positions.

    Args:
        pooling: the pooling that computes the descriptor.
        x: Tensor[N, C, h, w], any floating dtype.
        weight: Tensor[N, D], the weights of each image's score.

    Returns:
        Tensor[N, h, w], float32; its sum over positions is the score.

    Raises:
        UsageError: x or weight is not of these shapes, or the pooling is not fitted.
    """
    if x.dim() != 4 or weight.shape != (len(x), pooling.dim):
        raise UsageError(
            f"expected a feature map [N, C, h, w] and weights [N, {pooling.dim}], got {list(x.shape)} and "
            f"{list(weight.shape)}"
        )
    N, _, h, w = x.shape
    if pooling.reduction is not None:
        x = pooling.reduction(x)
    if pooling.selection is not None:
        full = weight.new_zeros(N, pooling.full_dim)
        weight = full.index_copy_(1, pooling.selection.indices, weight)
    maps = x.flatten(2).float()  # [N, C, L]
    # Image by image: the matrices of a bilinear score hold C^2 values each.
    shares = [_divide(pooling.pool, image, row) for image, row in zip(maps, weight.float(), strict=True)]
    return torch.stack(shares).view(N, h, w) if shares else maps.new_zeros(0, h, w)


def _divide(pool: object, x: Tensor, weight: Tensor) -> Tensor:
    """Return the contributions [L] for a map x [C, L] and weight [full_dim]."""
    match pool:
        case MaxPooling():
            value, place = x.max(dim=1)  # [C]
            return x.new_zeros(x.shape[1]).index_add_(0, place, weight * value)
        case AvgPooling():
            coefficient = _unroot(weight, x.mean(1)) if pool.normalize else weight
            return coefficient @ x / x.shape[1]
        case BilinearPooling():
            form = _unroot(_unpack(weight, len(x)) if pool.packed else weight.view(len(x), -1), x @ x.mT)  # [C, C]
        case TensorSketch():
            coefficient = _unroot(weight, pool.sketch(x[None])[0])  # [d]
            bucket = (pool.buckets[0, :, None] + pool.buckets[1]) % pool.dim  # [C, C]
            form = coefficient[bucket] * (pool.signs[0, :, None] * pool.signs[1])
        case RandomMaclaurin():
            coefficient = _unroot(weight, pool.sketch(x[None])[0])  # [d]
            first, second = pool.projections.float() @ x / pool.dim**0.25  # [d, L] each
            shares: Tensor = coefficient @ (first * second)
            return shares
        case _:
            raise UsageError(f"no exact evidence is known for {type(pool).__name__}")
    return ((form @ x) * x).sum(0)


def _unroot(weight: Tensor, statistic: Tensor) -> Tensor:
    """Return w / (sqrt|S| ||z||), and 0 where S is 0: those terms vanish from the score."""
    root = statistic.abs().sqrt()
    norm = torch.linalg.vector_norm(root)
    return torch.where(root == 0, 0.0, weight / torch.where(root == 0, 1.0, root * norm))


def _unpack(weight: Tensor, C: int) -> Tensor:
    """Return the symmetric [C, C] whose inner product with z is that of `weight` with packed z."""
    row, column = torch.triu_indices(C, C, device=weight.device)
    value = torch.where(row == column, weight, weight / math.sqrt(2))
    form = weight.new_empty(C, C)
    form[row, column] = value
    form[column, row] = value
    return form
