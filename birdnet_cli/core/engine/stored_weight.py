"""A solved head's W as the model file holds it: float16 where the training predictions allow it, and else float32."""

from torch import Tensor

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.heads import HeadFit, RowSource, halve_weight
from birdnet_cli.core.progress import Progress
from birdnet_cli.core.recipe import HeadSettings

__all__ = ["stored_weight"]


def stored_weight(fit: HeadFit, source: RowSource, settings: HeadSettings, progress: Progress) -> Tensor:
    """Return W [K, D] in the type that the settings ask for.

    Args:
        fit: the solved head.
        source: the rows that it was solved on.
        settings: its `weight_dtype`.
        progress: is told when `auto` ends in float32.

    Raises:
        NumericsError: float16 was asked for, and training predictions would change.
    """
    if settings.weight_dtype == "float32":
        return fit.weight
    half = halve_weight(fit, source)
    if half.unnoticed:
        return half.weight
    found = f"float16 weights change {half.changed} training predictions, and probabilities by up to {half.shift:.2g}"
    if settings.weight_dtype == "float16":
        raise NumericsError(f"{found}: give --weight-dtype float32, or auto")
    progress.note(f"{found}: stored as float32")
    return fit.weight
