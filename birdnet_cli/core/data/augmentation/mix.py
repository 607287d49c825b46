"""Mix the images of a batch by mixup or CutMix: images [n, 3, S, S], labels [n] -> mixed images, targets [n, K]."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from birdnet_cli.core.data.draws import draw_row
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["MixMode", "mix_batch", "mix_targets"]

MixMode = Literal["mixup", "cutmix"]


def mix_batch(
    images: Tensor,
    labels: Tensor,
    *,
    num_classes: int,
    mode: MixMode,
    alpha: float,
    seed: int,
    epoch: int,
    step: int,
) -> tuple[Tensor, Tensor]:
    """Mix each image x_i with another image x_j of its batch; all images of the batch share the proportion lam.

    Mixup: `x = lam * x_i + (1 - lam) * x_j`. CutMix: a rectangle of sides `S * sqrt(1 - lam)` around a uniform centre,
    clipped at the border, is copied from x_j, and lam becomes the share of the pixels that x_i keeps. Targets are
    `lam` at x_i's label and `1 - lam` at x_j's. j runs over a random permutation, so some images may be paired with
    themselves.

    Args:
        images: floating Tensor[n, 3, S, S]; not changed.
        labels: int64 Tensor[n].
        num_classes: K.
        mode: `mixup` or `cutmix`.
        alpha: above 0; lam is drawn from Beta(alpha, alpha).
        seed: 0 or more; seed, epoch and step decide every draw, whatever the device.
        epoch: 0 or more.
        step: 0 or more.

    Returns:
        The mixed images, Tensor[n, 3, S, S] of the type of `images`, and float32 targets [n, K].

    Raises:
        UsageError: alpha is not above 0.

    Source: Zhang et al., "mixup", ICLR 2018; Yun et al., "CutMix", ICCV 2019.
    """
    if not alpha > 0:
        raise UsageError(f"expected an alpha above 0 to mix with, got {alpha}")
    n, _, H, W = images.shape
    # The first number seeds the generator of lam and the permutation, whose count of draws depends on n. The fourth
    # number is mix_targets', which draws the mode.
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


def mix_targets(
    images: Tensor, labels: Tensor, *, settings: FinetuneSettings, num_classes: int, epoch: int, step: int
) -> tuple[Tensor, Tensor]:
    """Mix the images of a batch as the settings ask: by mixup, by CutMix, or by either at even odds where both are on.

    Args:
        images: uint8 Tensor[n, 3, S, S].
        labels: int64 Tensor[n].
        settings: the alphas `mixup` and `cutmix`, 0 for off, and the seed.
        num_classes: K.
        epoch: 0 or more; seed, epoch and step decide every draw.
        step: 0 or more.

    Returns:
        `images` and `labels` unchanged where both are off or the batch has fewer than two images; else float32
        images [n, 3, S, S] and float32 targets [n, K].
    """
    if not (settings.mixup or settings.cutmix) or len(labels) < 2:
        return images, labels
    mode: MixMode = "mixup" if settings.mixup else "cutmix"
    if settings.mixup and settings.cutmix:
        *_, coin = draw_row(settings.seed, epoch, step, purpose="mix", columns=4)
        mode = "mixup" if coin < 0.5 else "cutmix"
    return mix_batch(
        images.float(),
        labels,
        num_classes=num_classes,
        mode=mode,
        alpha=settings.mixup if mode == "mixup" else settings.cutmix,
        seed=settings.seed,
        epoch=epoch,
        step=step,
    )


def _beta(alpha: float, generator: torch.Generator) -> float:
    # Beta(a, a) is g1 / (g1 + g2) for two draws of Gamma(a); torch's public Beta sampler takes no generator.
    first, second = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator).tolist()
    # For a tiny alpha both draws may underflow to 0; then nothing is mixed.
    return first / (first + second) if first != second else 1.0


def _span(centre: float, size: int, *, share: float) -> tuple[int, int]:
    half = size * math.sqrt(share) / 2
    return max(0, round(centre * size - half)), min(size, round(centre * size + half))
