"""Mixup and CutMix of a batch: images [n, 3, S, S] and labels [n] -> mixed images and soft targets [n, K]."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from birdnet_cli.core.data.draws import draw_row
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["mix_batch", "mix_targets"]


def mix_batch(
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    mode: Literal["mixup", "cutmix"],
    alpha: float,
    seed: int,
    epoch: int,
    step: int,
) -> tuple[Tensor, Tensor]:
    """Mix each image with another of its batch, in one proportion for the batch.

    Mixup: `x = lam * x_i + (1 - lam) * x_j`. CutMix: a rectangle of sides `S * sqrt(1 - lam)` around a uniform centre,
    clipped by the border, is x_j's; lam is then the share of x_i that is left. Targets are `lam` and `1 - lam` at the
    two labels. j runs over a random permutation, which may leave some images with themselves.

    Args:
        images: floating Tensor[n, 3, S, S]; not changed.
        labels: int64 Tensor[n].
        num_classes: K.
        mode: which of the two.
        alpha: above 0; lam is drawn from Beta(alpha, alpha).
        seed: with `epoch` and `step` it decides every draw, on any device.
        epoch: 0 or more.
        step: 0 or more.

    Returns:
        Tensor[n, 3, S, S] and float32 Tensor[n, K].

    Raises:
        UsageError: alpha is not above 0.

    Source: Zhang et al., "mixup", ICLR 2018; Yun et al., "CutMix", ICCV 2019.
    """
    if not alpha > 0:
        raise UsageError(f"expected an alpha above 0 to mix with, got {alpha}")
    n, _, H, W = images.shape
    # One table row per step would be drawn in blocks of n numbers; a generator seeded by the first is as exact.
    # The fourth is left to callers that choose a mode by chance.
    start, y, x, _ = draw_row(seed, epoch, step, purpose="mix", columns=4).tolist()
    generator = torch.Generator().manual_seed(int(start * 2**53))
    partners = torch.randperm(n, generator=generator).to(images.device)  # [n]
    lam = _beta(alpha, generator)
    if mode == "mixup":
        mixed = images * lam + images[partners] * (1 - lam)
    else:
        top, bottom = _span(y, H, share=1 - lam)
        left, right = _span(x, W, share=1 - lam)
        mixed = images.clone()
        mixed[:, :, top:bottom, left:right] = images[partners, :, top:bottom, left:right]
        lam = 1 - (bottom - top) * (right - left) / (H * W)
    targets = one_hot(labels, num_classes).to(torch.float32)  # [n, K]
    return mixed, targets * lam + targets[partners] * (1 - lam)


def _beta(alpha: float, generator: torch.Generator) -> float:
    # Beta(a, a) is g1 / (g1 + g2) of two Gamma(a); torch's own sampler of Gamma takes a generator.
    first, second = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator).tolist()
    # Both are equal where both fell below the smallest float, for an alpha that mixes next to nothing.
    return first / (first + second) if first != second else 1.0


def _span(centre: float, size: int, *, share: float) -> tuple[int, int]:
    half = size * math.sqrt(share) / 2
    return max(0, round(centre * size - half)), min(size, round(centre * size + half))


def mix_targets(
    images: Tensor, labels: Tensor, *, settings: FinetuneSettings, K: int, epoch: int, step: int
) -> tuple[Tensor, Tensor]:
    """Mix the images of a batch by mixup or CutMix, by chance where both are on.

    Args:
        images: uint8 Tensor[n, 3, S, S].
        labels: int64 Tensor[n].
        settings: the parameters of both.
        K: number of classes.
        epoch, step: with the seed they decide every draw.

    Returns:
        The images and `labels` as they are, where neither is on or there is nothing to mix with; else float images
        and float32 targets [n, K].
    """
    if not (settings.mixup or settings.cutmix) or len(labels) < 2:
        return images, labels
    mode = "mixup" if settings.mixup else "cutmix"
    if settings.mixup and settings.cutmix:
        *_, coin = draw_row(settings.seed, epoch, step, purpose="mix", columns=4)
        mode = "mixup" if coin < 0.5 else "cutmix"
    alpha = settings.mixup if mode == "mixup" else settings.cutmix
    return mix_batch(
        images.float(),
        labels,
        num_classes=K,
        mode="mixup" if mode == "mixup" else "cutmix",
        alpha=alpha,
        seed=settings.seed,
        epoch=epoch,
        step=step,
    )
