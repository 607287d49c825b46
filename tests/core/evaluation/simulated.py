"""Evaluations of models that do not exist: probabilities drawn by chance, right about as often as they claim."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from birdnet_cli.core.evaluation import Evaluation, OutcomeCollector


def simulate(
    *, classes: Sequence[str], n: int, seed: int = 0, sharpness: float = 3.0, prefix: str = "test", batch: int = 64
) -> Evaluation:
    """Return an evaluation of n images, whose true class gets a head start of `sharpness` among normal logits."""
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
    classes: Sequence[str], calls: Sequence[tuple[int, int, float]], *, names: Sequence[str] | None = None
) -> Evaluation:
    """Return an evaluation of given (true, called, probability) triples.

    The other classes share the rest, each a little more than the next, so that no place is left to chance.
    """
    K = len(classes)
    probabilities = torch.empty(len(calls), K, dtype=torch.float64)
    for row, (_true, called, probability) in enumerate(calls):
        shares = 1 - 1e-3 * torch.arange(K, dtype=torch.float64) / K
        shares[called] = 0
        probabilities[row] = (1 - probability) * shares / shares.sum()
        probabilities[row, called] = probability
    names = list(names or (f"{row}.jpg" for row in range(len(calls))))
    collector = OutcomeCollector(K)
    collector.add(probabilities, torch.tensor([one[0] for one in calls]), names=names, digests=digests_of(names))
    return Evaluation(tuple(classes), collector.outcomes(), data="made up", split="test")


def digests_of(names: Sequence[str]) -> np.ndarray:
    """Return a digest for every name, as if the file held it. uint8 [n, 32]."""
    data = b"".join(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest() for name in names)
    return np.frombuffer(data, np.uint8).reshape(-1, 32)
