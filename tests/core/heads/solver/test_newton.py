import logging

import pytest
import torch

from birdnet_cli.core.errors import NumericsError
from birdnet_cli.core.heads.solver import create_loss, minimize

HEADS = ["ridge", "softmax", "svm"]


def problem(make_problem, head, *, rows=120, dim=30, classes=5):
    x, y = make_problem(rows, dim, classes)
    x, labels = torch.from_numpy(x - x.mean(axis=0)), torch.from_numpy(y)
    return x, labels, create_loss(head, labels, num_classes=classes, weights=ones(rows))


def ones(n: int) -> torch.Tensor:
    return torch.ones(n, dtype=torch.float64)


@pytest.mark.parametrize("dim", [30, 300])
@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("head", HEADS)
def test_gradient_of_the_objective_vanishes_at_the_solution(make_problem, objective, head, C, dim):
    x, labels, loss = problem(make_problem, head, dim=dim)

    solution = minimize(x, loss, C=C, tolerance=1e-8)

    _, relative_gradient = objective(head, x, labels, solution.weight.mT, solution.bias, C=C)
    assert relative_gradient <= 1e-4


@pytest.mark.parametrize("dim", [30, 300])
@pytest.mark.parametrize("C", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("head", HEADS)
def test_weights_are_as_near_to_the_minimum_as_promised(make_problem, objective, caplog, head, C, dim):
    x, labels, loss = problem(make_problem, head, dim=dim)
    exact = minimize(x, loss, C=C, tolerance=1e-9)

    solution = minimize(x, loss, C=C, tolerance=1e-3)

    values = [objective(head, x, labels, found.weight.mT, found.bias, C=C)[0] for found in (solution, exact)]
    assert values[1] * (1 - 1e-12) <= values[0] <= values[1] * (1 + 1e-6)
    assert (solution.weight - exact.weight).norm() <= 2e-3 * exact.weight.norm()
    assert solution.error <= 1e-3
    assert not caplog.records


@pytest.mark.parametrize("head", HEADS)
def test_a_warm_start_leads_to_the_same_solution(make_problem, head):
    x, _, loss = problem(make_problem, head)
    cold = minimize(x, loss, C=10.0, tolerance=1e-5)

    warm = minimize(x, loss, C=10.0, tolerance=1e-5, start=minimize(x, loss, C=1.0, tolerance=1e-3))

    torch.testing.assert_close(warm.weight, cold.weight, rtol=0, atol=2e-5 * cold.weight.norm().item())


@pytest.mark.parametrize("head", HEADS)
def test_a_warm_start_is_left_as_it_was(make_problem, head):
    x, _, loss = problem(make_problem, head)
    start = minimize(x, loss, C=1.0, tolerance=1e-3)
    weight, bias = start.weight.clone(), start.bias.clone()

    minimize(x, loss, C=10.0, tolerance=1e-5, start=start)

    assert torch.equal(start.weight, weight)
    assert torch.equal(start.bias, bias)


@pytest.mark.parametrize("head", HEADS)
def test_a_solution_has_at_most_one_step_to_itself(make_problem, head):
    x, _, loss = problem(make_problem, head)
    solution = minimize(x, loss, C=1.0, tolerance=1e-5)

    assert minimize(x, loss, C=1.0, tolerance=1e-4, start=solution).steps <= 1


@pytest.mark.parametrize("head", HEADS)
def test_a_translation_of_all_rows_changes_no_weight(make_problem, head):
    x, _, loss = problem(make_problem, head)
    x = (x * 2**12).round() / 2**12
    # Multiples of 2^-12, so that the sums are exact.
    shift = (torch.randn(30, generator=torch.Generator().manual_seed(1)) * 2**12).round() / 2**12

    here, there = (minimize(rows, loss, C=1.0, tolerance=1e-9) for rows in (x, x + shift))

    torch.testing.assert_close(there.weight, here.weight, rtol=0, atol=1e-7)
    moved = there.bias + shift.double() @ there.weight
    # A softmax does not see what all biases share.
    torch.testing.assert_close(moved - moved.mean(), here.bias - here.bias.mean(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_a_sample_of_weight_two_counts_as_two(make_problem, head):
    x, labels, _ = problem(make_problem, head)
    weights = ones(120)
    weights[:17] = 2
    twice = torch.cat([x, x[:17]]), torch.cat([labels, labels[:17]])

    weighted = minimize(x, create_loss(head, labels, num_classes=5, weights=weights), C=1.0, tolerance=1e-5)
    repeated = minimize(twice[0], create_loss(head, twice[1], num_classes=5, weights=ones(137)), C=1.0, tolerance=1e-5)

    torch.testing.assert_close(weighted.weight, repeated.weight, rtol=0, atol=2e-5 * weighted.weight.norm().item())


@pytest.mark.parametrize("head", ["ridge", "svm"])
def test_a_one_vs_rest_class_does_not_depend_on_its_companions(make_problem, head):
    x, labels, loss = problem(make_problem, head)
    pair = create_loss(head, (labels == 3).long(), num_classes=2, weights=ones(120))

    together, alone = (minimize(x, problem, C=1.0, tolerance=1e-5).weight for problem in (loss, pair))

    torch.testing.assert_close(together[:, 3], alone[:, 1], rtol=0, atol=5e-5 * together.norm().item())


@pytest.mark.parametrize("head", HEADS)
def test_rows_of_one_class_get_a_bias_and_no_weights(make_problem, head):
    x, _, _ = problem(make_problem, head)
    loss = create_loss(head, torch.full((120,), 2), num_classes=3, weights=ones(120))

    solution = minimize(x, loss, C=1e3, tolerance=1e-3)

    assert solution.weight.abs().max() <= 1e-5
    assert solution.bias.argmax() == 2
    assert solution.steps <= 3


def test_a_minimum_that_is_not_reached_is_reported(make_problem, caplog, monkeypatch):
    x, _, loss = problem(make_problem, "softmax")
    monkeypatch.setattr("birdnet_cli.core.heads.solver.newton.MAX_STEPS", 2)

    with caplog.at_level(logging.WARNING):
        solution = minimize(x, loss, C=0.1, tolerance=1e-6)

    assert solution.steps == 2
    assert 1e-6 < solution.error < 1
    assert f"the head at C = 0.1 stopped after 2 steps at a relative error of {solution.error:.1e}" in caplog.text


@pytest.mark.parametrize("head", HEADS)
def test_an_enormous_penalty_factor_separates_the_rows_without_overflow(make_problem, head):
    x, labels, loss = problem(make_problem, head, rows=40, dim=150, classes=3)

    solution = minimize(x, loss, C=1e9, tolerance=1e-2)

    logits = torch.addmm(solution.bias, x.double(), solution.weight)
    assert torch.equal(logits.argmax(dim=1), labels)


def test_an_objective_that_is_not_finite_is_an_error(make_problem):
    x, _, loss = problem(make_problem, "svm")
    x[3, 4] = torch.nan

    with pytest.raises(NumericsError, match="the head at C = 1: the objective is not finite: choose a smaller C"):
        minimize(x, loss, C=1.0, tolerance=1e-5)
