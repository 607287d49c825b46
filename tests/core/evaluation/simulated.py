"""Evaluations without a model: random probabilities, correct about as often as they say."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from birdnet_cli.core.evaluation import Evaluation, OutcomeCollector


def simulate(
    *, classes: Sequence[str], n: int, seed: int = 0, sharpness: float = 3.0, prefix: str = "test", batch: int = 64
) -> Evaluation:
    """Return an evaluation of n images with normal logits, to which `sharpness` is added for the true class."""
    rng = np.random.default_rng(seed)
    K = len(classes)
    labels = rng.integers(0, K, n)
    logits = rng.normal(size=(n, K))
    logits[np.arange(n), labels] += sharpness
    probabilities = torch.softmax(torch.from_numpy(logits), dim=1)
    names = [f"{prefix}/{classes[label]}/{row:05d}.jpg" for row, label in enumerate(labels)]
    digests = digests_of(names)
    collector = OutcomeCollector(K)
    for start in range(0, n, batch):
        rows = slice(start, start + batch)
        collector.add(probabilities[rows], torch.from_numpy(labels[rows]), names=names[rows], digests=digests[rows])
    return Evaluation(tuple(classes), collector.outcomes(), data="simulated", split="test")


def evaluation_of(
    classes: Sequence[str], predictions: Sequence[tuple[int, int, float]], *, names: Sequence[str] | None = None
) -> Evaluation:
    """Return an evaluation of given (true, predicted, probability) triples.

    The other classes share the rest, each class a little more than the next, so that their order is fixed.
    """
    K = len(classes)
    probabilities = torch.empty(len(predictions), K, dtype=torch.float64)
    for row, (_true, predicted, probability) in enumerate(predictions):
        shares = 1 - 1e-3 * torch.arange(K, dtype=torch.float64) / K
        shares[predicted] = 0
        probabilities[row] = (1 - probability) * shares / shares.sum()
        probabilities[row, predicted] = probability
    names = list(names or (f"{row}.jpg" for row in range(len(predictions))))
    collector = OutcomeCollector(K)
    collector.add(
        probabilities, torch.tensor([true for true, _, _ in predictions]), names=names, digests=digests_of(names)
    )
    return Evaluation(tuple(classes), collector.outcomes(), data="made up", split="test")


def digests_of(names: Sequence[str]) -> np.ndarray:
    """Return the SHA-256 of every name, as if it were the file's content. uint8 [n, 32]."""
    data = b"".join(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest() for name in names)
    return np.frombuffer(data, np.uint8).reshape(-1, 32)
