"""Temperature of a head: logits [n, K] and labels [n] -> T that calibrates the probabilities softmax(logits / T).

Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2; targets smoothed as in Platt, 1999.
"""

import math

import torch
from torch import Tensor

__all__ = ["fit_temperature"]

# Range of spread / T, spread the standard deviation of the logits: from almost uniform to almost one-hot probabilities.
LOWEST, HIGHEST = 1e-3, 1e3
HALVINGS = 60


def fit_temperature(logits: Tensor, labels: Tensor, *, smoothing: float | None = None) -> float:
    """Return the T that minimises the cross-entropy of softmax(logits / T).

    A share of 1 / (n + 1) of each target is spread over all classes: where every image is classified correctly, the
    minimum without it is at T = 0, and every prediction would have probability 1.

    Args:
        logits: logits of images that the head was not trained on, [n, K].
        labels: int64 [n] in 0 .. K-1.
        smoothing: spread this share of each target instead, in [0, 1).

    Returns:
        T > 0; 1 where all logits of each row are equal.
    """
    logits = logits.double()
    logits = logits - logits.mean(dim=1, keepdim=True)
    n = len(logits)
    spread = logits.square().mean().sqrt().item()
    if spread == 0:
        return 1.0
    logits = logits / spread
    share = 1 / (n + 1) if smoothing is None else smoothing
    aimed = logits.gather(1, labels[:, None]).sum().item() * (1 - share)  # centred logits have no uniform part
    low, high = math.log(LOWEST), math.log(HIGHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        # The derivative of the cross-entropy in 1 / T, which rises with 1 / T.
        expected = (torch.softmax(logits * math.exp(middle), dim=1) * logits).sum().item()
        low, high = (middle, high) if expected < aimed else (low, middle)
    return spread * math.exp(-(low + high) / 2)
