"""Temperature of a head: logits [n, K] and labels [n] -> T, such that softmax(logits / T) are honest probabilities.

Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2; targets smoothed as in Platt, 1999.
"""

import math

import torch
from torch import Tensor

__all__ = ["fit_temperature"]

# Of 1 / T times the spread of the logits: from almost uniform probabilities to almost one-hot ones.
LOWEST, HIGHEST = 1e-3, 1e3
HALVINGS = 60


def fit_temperature(logits: Tensor, labels: Tensor, *, smoothing: float | None = None) -> float:
    """Return the T that minimises the cross-entropy of softmax(logits / T).

    One part in n + 1 of each target is spread over all classes: where every image is classified correctly, the
    plain minimum is at T = 0, and all predictions would claim to be certain.

    Args:
        logits: of images that the head was not trained on, [n, K].
        labels: int64 [n] in 0 .. K-1.
        smoothing: spread this share of each target instead.
    """
    logits = logits.double()
    logits = logits - logits.mean(dim=1, keepdim=True)
    n = len(logits)
    spread = logits.square().mean().sqrt().item()
    if spread == 0:
        return 1.0
    logits = logits / spread
    share = 1 / (n + 1) if smoothing is None else smoothing
    aimed = logits.gather(1, labels[:, None]).sum().item() * (1 - share)  # the uniform part meets centred logits: 0
    low, high = math.log(LOWEST), math.log(HIGHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        # The derivative of the cross-entropy in 1 / T, which rises with 1 / T.
        expected = (torch.softmax(logits * math.exp(middle), dim=1) * logits).sum().item()
        low, high = (middle, high) if expected < aimed else (low, middle)
    return spread * math.exp(-(low + high) / 2)
