"""The solutions against scikit-learn's, in objective and in coefficients."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from birdnet_cli.core.heads.solver import create_loss, minimize, sample_weights

# LIBLINEAR penalises the bias as the weight of a constant feature; a large constant makes that penalty vanish.
CONSTANT = 300.0


def sklearn_solution(head, x, y, *, C, weights):
    if head == "softmax":
        model = LogisticRegression(C=C, tol=1e-8, max_iter=20_000).fit(x, y, sample_weight=weights)
        return model.coef_, model.intercept_ - model.intercept_.mean()
    if head == "svm":
        model = LinearSVC(C=C, tol=1e-10, max_iter=100_000, dual=False, intercept_scaling=CONSTANT)
        model.fit(x, y, sample_weight=weights)
        return model.coef_, model.intercept_
    model = Ridge(alpha=0.5 / C, solver="svd").fit(x, 2 * np.eye(y.max() + 1)[y] - 1, sample_weight=weights)
    return model.coef_, model.intercept_


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(("dim", "C"), [(50, 0.1), (50, 10.0), (2000, 1.0)])
@pytest.mark.parametrize("head", ["ridge", "softmax", "svm"])
def test_solution_equals_scikit_learns(make_problem, objective, head, dim, C, balanced):
    x, y = make_problem(200, dim, 4)
    x, y = x[y + np.arange(200) % 3 > 0], y[y + np.arange(200) % 3 > 0]
    x = x - x.mean(axis=0)
    labels = torch.from_numpy(y)
    weights = sample_weights(labels, balanced=balanced)
    coefficients, intercept = sklearn_solution(head, x.astype(np.float64), y, C=C, weights=weights.numpy())

    loss = create_loss(head, labels, num_classes=4, weights=weights)
    solution = minimize(torch.from_numpy(x), loss, C=C, tolerance=1e-5)

    bias = solution.bias - solution.bias.mean() if head == "softmax" else solution.bias
    values = [
        objective(head, x, y, W, b, C=C, weights=weights)[0]
        for W, b in ((solution.weight.mT, solution.bias), (coefficients, intercept))
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    np.testing.assert_allclose(solution.weight.mT, coefficients, atol=1e-3 * np.abs(coefficients).max())
    np.testing.assert_allclose(bias, intercept, atol=2e-3)
