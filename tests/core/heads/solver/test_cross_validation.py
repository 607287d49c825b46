import numpy as np
import pytest
import torch

from birdnet_cli.core.heads import fit_head
from birdnet_cli.core.heads.solver import (
    build_basis,
    create_loss,
    cross_validate,
    measure_moments,
    sample_weights,
    stratified_folds,
)
from birdnet_cli.core.recipe import HeadSettings


def validated(source, y, head, *, Cs=(0.1, 1.0, 10.0), balanced=False, folds=4):
    basis = build_basis(source, measure_moments(source, standardize=False), progress=lambda _: None)
    assigned = stratified_folds(y, folds=folds, seed=0)
    found = cross_validate(
        basis.rows,
        torch.from_numpy(y),
        head=head,
        num_classes=int(y.max()) + 1,
        balanced=balanced,
        Cs=Cs,
        folds=assigned,
    )
    return found, assigned


@pytest.mark.parametrize("dim", [20, 300])
@pytest.mark.parametrize("head", ["ridge", "softmax", "svm"])
def test_logits_are_those_of_heads_trained_anew_on_each_folds_raw_descriptors(
    array_source, make_problem, monkeypatch, head, dim
):
    x, y = make_problem(90, dim, 3)
    monkeypatch.setattr("birdnet_cli.core.heads.solver.cross_validation.TOLERANCE", 1e-6)

    found, folds = validated(array_source(x), y, head)

    settings = HeadSettings(head=head, C=found.best.C, calibrate=False)
    for fold in range(4):
        kept = folds != fold
        # This fit sees nothing of the fold: its mean, its norms and its kernel matrix are of the kept rows alone.
        fit = fit_head(array_source(x[kept]), y[kept], num_classes=3, settings=settings, standardize=False)
        expected = x[~kept].astype(np.float64) @ fit.weight.numpy().T + fit.bias.numpy()
        actual = found.logits[~kept].numpy()
        if head == "softmax":
            expected, actual = (z - z.mean(axis=1, keepdims=True) for z in (expected, actual))
        np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())


def test_candidates_report_the_logits_accuracy_its_spread_and_the_loss(array_source, make_problem):
    x, y = make_problem(90, 20, 3)

    found, folds = validated(array_source(x), y, "svm", Cs=(0.3,))

    right = found.logits.argmax(dim=1).numpy() == y
    loss = create_loss("svm", torch.from_numpy(y), num_classes=3, weights=torch.ones(90).double())
    assert found.best == found.candidates[0]
    assert found.best.C == 0.3
    assert found.best.accuracy == pytest.approx(right.mean())
    assert found.best.std == pytest.approx(np.std([right[folds == fold].mean() for fold in range(4)]))
    assert found.best.loss == pytest.approx(loss.value(found.logits).item() / 90)
    assert found.judged.all()


def test_balanced_accuracy_is_the_mean_recall(array_source, make_problem):
    x, y = make_problem(120, 20, 3)
    x, y = x[(y > 0) | (np.arange(120) % 5 == 0)], y[(y > 0) | (np.arange(120) % 5 == 0)]

    found, _ = validated(array_source(x), y, "svm", Cs=(0.1,), balanced=True)

    right = found.logits.argmax(dim=1).numpy() == y
    assert found.best.accuracy == pytest.approx(np.mean([right[y == label].mean() for label in range(3)]))


def test_best_has_the_highest_accuracy_and_of_equals_the_lowest_loss(array_source, make_problem):
    x, y = make_problem(90, 300, 3, noise=0.3)

    found, _ = validated(array_source(x), y, "softmax", Cs=(1e-3, 0.1, 10.0, 100.0))

    equals = [
        candidate
        for candidate in found.candidates
        if candidate.accuracy == max(each.accuracy for each in found.candidates)
    ]
    assert len(equals) > 1
    assert found.best == min(equals, key=lambda candidate: candidate.loss)
    assert found.best != equals[0]


def test_rows_of_a_class_that_a_fold_lacks_count_as_errors_but_not_in_the_loss(array_source, make_problem):
    x, y = make_problem(91, 20, 3)
    y[y == 2] = 1
    y[40] = 2

    found, _ = validated(array_source(x), y, "softmax", Cs=(1.0,))

    assert found.judged.tolist() == [row != 40 for row in range(91)]
    assert found.logits.isfinite().all()
    assert found.logits[40].argmax() != 2
    assert found.best.loss < 2


def test_progress_rises_to_one(array_source, make_problem):
    x, y = make_problem(60, 20, 3)
    seen = []

    cross_validate(
        torch.from_numpy(x),
        torch.from_numpy(y),
        head="ridge",
        num_classes=3,
        balanced=False,
        Cs=(0.1, 1.0),
        folds=stratified_folds(y, folds=3, seed=0),
        progress=seen.append,
    )

    assert seen == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])


def test_each_fold_is_balanced_by_its_own_counts():
    labels = torch.tensor([0, 0, 0, 1])

    assert sample_weights(labels, balanced=True).tolist() == pytest.approx([4 / 6, 4 / 6, 4 / 6, 2])
