import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from birdnet_cli.core.heads import predict_out_of_fold
from birdnet_cli.core.recipe import HeadSettings

SETTINGS = HeadSettings(head="softmax", C=0.3, cv=4, seed=5)


def test_probabilities_are_those_of_heads_that_never_saw_the_row(array_source, make_problem):
    x, labels = make_problem(60, 12, 3)
    groups = np.arange(60) // 15  # with four groups and four folds, each group is a fold

    found = predict_out_of_fold(
        array_source(x), labels, num_classes=3, settings=SETTINGS, standardize=False, groups=groups
    )

    logits = np.empty((60, 3))
    for group in range(4):
        out = groups == group
        oracle = LogisticRegression(C=0.3, tol=1e-8, max_iter=5000).fit(x[~out].astype(np.float64), labels[~out])
        logits[out] = oracle.decision_function(x[out].astype(np.float64))
    logits -= logits.mean(axis=1, keepdims=True)
    ours = found.probabilities.double().log().numpy()
    ours -= ours.mean(axis=1, keepdims=True)
    T = (logits * logits).sum() / (ours * logits).sum()
    np.testing.assert_allclose(ours * T, logits, atol=0.03 * np.abs(logits).max())
    assert found.accuracy == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=1e-9)
    assert found.judged.all()
    torch.testing.assert_close(found.probabilities.sum(1), torch.ones(60))


def test_rows_whose_class_no_other_fold_has_are_not_judged(array_source, make_problem):
    x, labels = make_problem(60, 12, 2)
    labels[7] = 2  # a single image of its class

    found = predict_out_of_fold(array_source(x), labels, num_classes=3, settings=SETTINGS, standardize=False)

    assert found.judged.nonzero().ravel().tolist() == [row for row in range(60) if row != 7]
