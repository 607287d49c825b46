"""What a batch is compared with: labels [n], or soft targets [n, K] where images are mixed."""

from torch import Tensor

from birdnet_cli.core.data import mix_batch
from birdnet_cli.core.data.draws import draw_row
from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["mix_targets"]


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
