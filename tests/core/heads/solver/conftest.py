"""The objective of every head in float64, straight from its definition."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray


def softmax_loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    one_hot = np.eye(logits.shape[1])[labels]
    shifted = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    return -(one_hot * np.log(p)).sum(axis=1), p - one_hot


def svm_loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    y = 2 * np.eye(logits.shape[1])[labels] - 1
    slack = np.maximum(0, 1 - y * logits)
    return (slack**2).sum(axis=1), -2 * y * slack


def ridge_loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    y = 2 * np.eye(logits.shape[1])[labels] - 1
    return ((logits - y) ** 2).sum(axis=1), 2 * (logits - y)


LOSSES = {"ridge": ridge_loss, "softmax": softmax_loss, "svm": svm_loss}


@pytest.fixture(scope="session")
def objective() -> Callable[..., tuple[float, float]]:
    """`objective(head, x, y, W, b, C, weights=1)` -> value, and norm of the gradient relative to ||W||."""

    def evaluate(
        head: str,
        x: ArrayLike,
        y: ArrayLike,
        weight: ArrayLike,
        bias: ArrayLike,
        *,
        C: float,
        weights: ArrayLike | float = 1.0,
    ) -> tuple[float, float]:
        x, W, b = (np.asarray(a, np.float64) for a in (x, weight, bias))
        losses, residual = LOSSES[head](x @ W.T + b, np.asarray(y))
        w = np.broadcast_to(np.asarray(weights, np.float64), losses.shape)
        gradient_W = W + C * (w[:, None] * residual).T @ x
        gradient_b = C * (w[:, None] * residual).sum(axis=0)
        value = 0.5 * (W**2).sum() + C * (w * losses).sum()
        # The bias is counted as the weight of a constant feature as long as a row.
        scale = np.sqrt((x**2).sum(axis=1).mean())
        return float(value), float(
            np.hypot(np.linalg.norm(gradient_W), np.linalg.norm(gradient_b) * scale) / np.linalg.norm(W)
        )

    return evaluate
