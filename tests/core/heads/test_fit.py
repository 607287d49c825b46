import numpy as np
import pytest
import torch

from birdnet_cli.core.errors import DataError, NumericsError, UnknownNameError
from birdnet_cli.core.heads import LinearHead, fit_head
from birdnet_cli.core.recipe import HeadSettings

HEADS = ["ridge", "softmax", "svm"]


@pytest.fixture
def fit(array_source):
    """`fit(x, y, **settings)`; `standardize` apart."""

    def run(x, y, *, standardize=False, num_classes=None, progress=None, **settings):
        return fit_head(
            array_source(np.asarray(x, np.float32)),
            y,
            num_classes=num_classes or int(max(y)) + 1,
            settings=HeadSettings(**settings),
            standardize=standardize,
            progress=progress,
        )

    return run


def logits(fit, x):
    return LinearHead.from_fit(fit)(torch.from_numpy(x))


@pytest.mark.parametrize("dim", [20, 300])
@pytest.mark.parametrize("head", HEADS)
def test_gradient_of_the_objective_vanishes_on_the_centred_descriptors(fit, make_problem, dim, head):
    x, y = make_problem(90, dim, 3)

    solved = fit(x, y, head=head, C=1.0, calibrate=False)

    centred = torch.from_numpy(x - x.mean(axis=0))
    moved = (solved.bias + torch.from_numpy(x.mean(axis=0)) @ solved.weight.mT).requires_grad_()
    W = solved.weight.clone().requires_grad_()
    scores = centred @ W.mT + moved
    targets = 2 * torch.nn.functional.one_hot(torch.from_numpy(y), 3) - 1
    losses = {
        "softmax": torch.nn.functional.cross_entropy(scores, torch.from_numpy(y), reduction="sum"),
        "svm": (torch.relu(1 - targets * scores) ** 2).sum(),
        "ridge": ((scores - targets) ** 2).sum(),
    }
    (W.square().sum() / 2 + losses[head]).backward()
    assert W.grad.norm() <= 2e-3 * W.norm()
    assert moved.grad.abs().max() <= 1e-2


@pytest.mark.parametrize("head", HEADS)
def test_features_of_value_zero_lead_through_the_kernel_to_the_same_weights(fit, make_problem, head):
    x, y = make_problem(90, 40, 3)
    wide = np.concatenate([x, np.zeros((90, 100), np.float32)], axis=1)

    direct, through_kernel = (fit(each, y, head=head, C=1.0) for each in (x, wide))

    scale = direct.weight.abs().max().item()
    torch.testing.assert_close(through_kernel.weight[:, :40], direct.weight, rtol=0, atol=1e-3 * scale)
    assert not through_kernel.weight[:, 40:].any()
    assert through_kernel.temperature == pytest.approx(direct.temperature, rel=1e-2)


@pytest.mark.parametrize("head", HEADS)
def test_every_row_twice_at_half_the_loss_weight_is_the_same_head(fit, make_problem, head):
    x, y = make_problem(60, 300, 3)

    once = fit(x, y, head=head, C=2.0, calibrate=False)
    twice = fit(np.concatenate([x, x]), np.concatenate([y, y]), head=head, C=1.0, calibrate=False)

    assert once.jitter == 0 < twice.jitter
    torch.testing.assert_close(
        logits(twice, x), logits(once, x), rtol=0, atol=2e-3 * logits(once, x).abs().max().item()
    )
    torch.testing.assert_close(twice.weight, once.weight, rtol=0, atol=1e-3 * once.weight.abs().max().item())


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("dim", [20, 300])
def test_standardized_heads_do_not_depend_on_the_features_units(fit, make_problem, head, dim):
    x, y = make_problem(90, dim, 3)
    units = np.random.default_rng(0).choice([0.01, 1.0, 100.0], size=dim).astype(np.float32)

    plain, scaled = (fit(each, y, head=head, C=0.01, standardize=True) for each in (x, x * units))

    expected = logits(plain, x)
    torch.testing.assert_close(logits(scaled, x * units), expected, rtol=0, atol=1e-3 * expected.abs().max().item())


@pytest.mark.parametrize("dim", [20, 300])
def test_a_feature_that_never_varies_gets_weight_zero(fit, make_problem, dim):
    x, y = make_problem(90, dim, 3)
    x[:, 7] = 0.1

    solved = fit(x, y, C=0.01, standardize=True)

    assert not solved.weight[:, 7].any()
    assert solved.weight[:, 6].all()


def test_automatic_regularisation_tries_ten_values_and_takes_the_best(fit, make_problem):
    x, y = make_problem(90, 20, 3)

    solved = fit(x, y)

    Cs = [candidate.C for candidate in solved.cross_validation]
    assert len(Cs) == 10
    assert sorted(Cs) == Cs
    assert Cs[-1] / Cs[0] == pytest.approx(10**4.5)
    best = max(solved.cross_validation, key=lambda candidate: (candidate.accuracy, -candidate.loss))
    assert solved.C == best.C
    assert solved.mean_squared_norm == pytest.approx(((x - x.mean(0)) ** 2).sum(1).mean(), rel=1e-4)


def test_the_tried_values_follow_the_scale_of_the_descriptors(fit, make_problem):
    x, y = make_problem(90, 20, 3)

    small, large = fit(x, y), fit(10 * x, y)

    ratio = small.C / large.C
    assert ratio == pytest.approx(100, rel=1e-4)
    torch.testing.assert_close(large.weight, small.weight / 10, rtol=0, atol=1e-3 * large.weight.abs().max().item())


def test_given_regularisation_without_calibration_needs_no_folds(fit, make_problem):
    x, y = make_problem(3, 20, 3)

    solved = fit(x, y, C=2.5, calibrate=False)

    assert solved.C == 2.5
    assert solved.temperature == 1
    assert solved.cross_validation == ()


def test_given_regularisation_is_judged_by_the_folds_that_calibrate_it(fit, make_problem):
    x, y = make_problem(90, 20, 3)

    solved = fit(x, y, C=2.5)

    assert [candidate.C for candidate in solved.cross_validation] == [2.5]
    assert solved.temperature != 1


@pytest.mark.parametrize("head", HEADS)
def test_calibrated_probabilities_mean_what_they_say(fit, make_problem, head):
    x, y = make_problem(1200, 20, 3, noise=1.5)

    solved = fit(x[:600], y[:600], head=head)

    probabilities = LinearHead.from_fit(solved).probabilities(logits(solved, x[600:]))
    confidence, predicted = probabilities.max(dim=1)
    assert confidence.mean().item() == pytest.approx((predicted.numpy() == y[600:]).mean(), abs=0.05)


def test_balanced_classes_raise_the_recall_of_a_rare_one(fit, make_problem):
    x, y = make_problem(600, 20, 2, noise=2)
    keep = (y == 0) | (np.arange(600) % 10 < 2)
    x, y = x[keep], y[keep]

    plain, balanced = (
        (logits(fit(x, y, head="softmax", C=1.0, class_weights=weights), x).argmax(dim=1).numpy() == y)[y == 1].mean()
        for weights in ("none", "balanced")
    )

    assert balanced > plain + 0.1


def test_two_fits_are_equal_to_the_last_bit(fit, make_problem):
    x, y = make_problem(90, 300, 3)

    first, second = fit(x, y), fit(x, y)

    assert torch.equal(first.weight, second.weight)
    assert torch.equal(first.bias, second.bias)
    assert first.temperature == second.temperature


def test_labels_may_be_an_array_or_a_tensor(fit, make_problem):
    x, y = make_problem(60, 20, 3)

    assert torch.equal(fit(x, y, C=1.0).weight, fit(x, torch.from_numpy(y), C=1.0).weight)


@pytest.mark.parametrize("dim", [20, 300])
def test_progress_passes_through_every_stage_to_its_end(fit, make_problem, dim):
    seen = {}

    fit(*make_problem(60, dim, 3), progress=lambda stage, fraction: seen.setdefault(stage, []).append(fraction))

    assert list(seen) == ["statistics", "kernel", "cross-validation", "solve", "weights"]
    assert all(fractions == sorted(fractions) and fractions[-1] == 1 for fractions in seen.values())


def test_one_class_is_an_error(fit, make_problem):
    with pytest.raises(DataError, match="expected at least 2 classes, got 1"):
        fit(make_problem(20, 5, 2)[0], np.zeros(20, np.int64), num_classes=1)


def test_a_class_without_an_image_is_named(fit, make_problem):
    x, y = make_problem(20, 5, 2)

    with pytest.raises(DataError, match=r"2 of 4 classes have no training image \(labels 1, 3\): add images, or leave"):
        fit(x, y * 2, num_classes=4)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_named_with_its_row(fit, make_problem, label):
    x, y = make_problem(20, 5, 3)
    y[11] = label

    with pytest.raises(DataError, match=f"the label of row 11: expected 0 to 2, got {label}"):
        fit(x, y, num_classes=3)


def test_more_labels_than_rows_is_an_error(fit, make_problem):
    x, y = make_problem(20, 5, 3)

    with pytest.raises(DataError, match="expected one label for each of 19 descriptors, got 20"):
        fit(x[:19], y)


def test_a_descriptor_that_is_not_finite_is_named(fit, make_problem):
    x, y = make_problem(20, 5, 3)
    x[13, 2] = np.nan

    with pytest.raises(NumericsError, match="row 13 of the descriptors: expected finite values, got nan at feature 2"):
        fit(x, y)


def test_an_unknown_head_is_an_error(array_source, make_problem):
    x, y = make_problem(20, 5, 3)
    settings = HeadSettings.model_construct(head="sotfmax", C=1.0, calibrate=False, class_weights="none")

    with pytest.raises(UnknownNameError, match="unknown head 'sotfmax': did you mean softmax"):
        fit_head(array_source(x), y, num_classes=3, settings=settings, standardize=False)
