"""How learning rates change during training: (settings, update) -> the factor on every base rate."""

import math

from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["rate_factor"]


def rate_factor(settings: FinetuneSettings, *, step: int, steps_per_epoch: int) -> float:
    """Return what every base rate is multiplied by in one update.

    The product of the schedule's fall and of the rise at the start:

    - milestones: gamma^(number of milestones m with step >= m * steps_per_epoch);
    - cosine: (1 + cos(pi t)) / 2, where t goes from 0 at the end of the rise to 1 after the last update;
    - a rise over the first R updates: scale + (1 - scale) * step / R, where a warm-up counts from its first update on
      (step + 1), so that no update is wasted on a rate of 0, and may also stay at `scale`.

    Args:
        settings: the schedule.
        step: updates done before this one.
        steps_per_epoch: updates of an epoch.

    Source: the slow start is that of the FBN authors' training scripts (Li et al., ICCV 2017).
    """
    total = settings.epochs * steps_per_epoch
    warmup, slow_start = (
        round(epochs * steps_per_epoch) for epochs in (settings.warmup_epochs, settings.slow_start_epochs)
    )
    factor = 1.0
    if step < slow_start:
        scale = settings.slow_start_scale
        factor = scale + (1 - scale) * step / slow_start
    elif step < warmup:
        scale = settings.warmup_scale
        factor = scale if settings.warmup == "constant" else scale + (1 - scale) * (step + 1) / warmup
    if settings.sched == "milestones":
        factor *= settings.gamma ** sum(step >= round(epoch * steps_per_epoch) for epoch in settings.milestones)
    elif settings.sched == "cosine":
        rise = max(warmup, slow_start)
        progress = max(0, step - rise) / max(1, total - rise)
        factor *= (1 + math.cos(math.pi * progress)) / 2
    return factor
