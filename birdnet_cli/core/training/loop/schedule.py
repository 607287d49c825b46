"""The schedule of the learning rates: (settings, step) -> the factor on every base rate."""

import math

from birdnet_cli.core.recipe import FinetuneSettings

__all__ = ["rate_factor"]


def rate_factor(settings: FinetuneSettings, *, step: int, steps_per_epoch: int) -> float:
    """Return the factor on every base rate in an update: the product of the schedule's decay and the initial rise.

    - decay by milestones: gamma^(number of milestones m with step >= m * steps_per_epoch);
    - decay by a cosine: (1 + cos(pi t)) / 2, where t goes from 0 at the end of the rise to 1 after the last update;
    - slow start over R updates: scale + (1 - scale) * step / R;
    - warm-up over R updates: scale + (1 - scale) * (step + 1) / R, so that the first update has a rate above 0, or
      constantly `scale`.

    Args:
        settings: the schedule.
        step: updates done before, in all epochs.
        steps_per_epoch: updates per epoch.

    Returns:
        The factor, 0 or more.

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
