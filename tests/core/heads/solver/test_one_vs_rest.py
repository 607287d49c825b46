import pytest
import torch

from birdnet_cli.core.heads.solver.one_vs_rest import RidgeLoss, SquaredHingeLoss, mean_targets, signed_targets

LABELS = torch.tensor([0, 1, 1])
WEIGHTS = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
LOGITS = torch.tensor([[0.5, -2.0], [3.0, 1.5], [0.0, 0.0]], dtype=torch.float64)


def test_targets_are_1_for_the_class_and_minus_1_for_the_others() -> None:
    targets = signed_targets(LABELS, 2, dtype=torch.float64)
    assert targets.tolist() == [[1, -1], [-1, 1], [-1, 1]]
    torch.testing.assert_close(mean_targets(targets, WEIGHTS[:, None]), torch.tensor([-1.5, 1.5]).double() / 3.5)


def test_ridge_is_the_weighted_squared_distance_to_the_targets() -> None:
    # (0.5 - 1)^2 + (-2 + 1)^2, then 2 * (16 + 0.25), then 0.5 * 2
    loss = RidgeLoss(LABELS, num_classes=2, weights=WEIGHTS)
    assert loss.value(LOGITS).item() == pytest.approx(1.25 + 32.5 + 1.0)
    assert loss.gradient(LOGITS)[1].tolist() == [16.0, 2.0]


def test_the_squared_hinge_counts_margins_below_1_alone() -> None:
    # margins 0.5 and 2; -3 and 1.5; 0 and 0
    loss = SquaredHingeLoss(LABELS, num_classes=2, weights=WEIGHTS)
    assert loss.value(LOGITS).item() == pytest.approx(0.25 + 2 * 16 + 0.5 * 2)
    assert loss.gradient(LOGITS).tolist() == [[-1.0, 0.0], [16.0, 0.0], [1.0, -1.0]]
    assert loss.curvature(LOGITS).tolist() == [[2.0, 0.0], [4.0, 0.0], [1.0, 1.0]]
