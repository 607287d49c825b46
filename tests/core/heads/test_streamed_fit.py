"""Heads of rows that stream past, against those that are solved exactly."""

import numpy as np
import pytest
import torch

from birdnet_cli.core.heads import choose_solver, fit_head
from birdnet_cli.core.heads import streamed_fit as module
from birdnet_cli.core.heads.solver import create_loss
from birdnet_cli.core.recipe import HeadSettings

HEADS = ["ridge", "softmax", "svm"]


@pytest.fixture
def fit(array_source, monkeypatch):
    """`fit(x, y, solver, **settings)`, in blocks of 40 rows where it streams."""
    monkeypatch.setattr("birdnet_cli.core.heads.solver.streamed_blocks.BLOCK_ROWS", 40)

    def run(x, y, solver, *, standardize=False, groups=None, progress=None, **settings):
        return fit_head(
            array_source(x),
            y,
            num_classes=int(y.max()) + 1,
            settings=HeadSettings(solver=solver, **settings),
            standardize=standardize,
            groups=groups,
            progress=progress,
        )

    return run


def objective(fit, x, y, head, *, scale=1.0):
    loss = create_loss(head, torch.from_numpy(y), num_classes=3, weights=torch.ones(len(y), dtype=torch.float64))
    logits = torch.from_numpy(x).double() @ fit.weight.mT.double() + fit.bias
    return ((fit.weight.double() / scale).square().sum() / 2 + fit.C * loss.value(logits)).item()


@pytest.mark.parametrize("head", HEADS)
def test_objective_on_the_raw_rows_is_the_exact_one_to_a_percent(fit, make_problem, head):
    x, y = make_problem(200, 300, 3)
    order = np.argsort(y, kind="stable")
    x, y = x[order], y[order]

    streamed, exact = (fit(x, y, solver, head=head, C=0.3, calibrate=False) for solver in ("streamed", "exact"))

    assert (streamed.solver, exact.solver) == ("streamed", "exact")
    assert objective(streamed, x, y, head) == pytest.approx(objective(exact, x, y, head), rel=1e-2)
    assert streamed.mean_squared_norm == pytest.approx(exact.mean_squared_norm, rel=1e-5)
    assert streamed.error <= module.TOLERANCE


def test_standardized_rows_are_streamed_too(fit, make_problem):
    x, y = make_problem(200, 60, 3)
    units = np.random.default_rng(0).choice([0.01, 1.0, 100.0], size=60).astype(np.float32)
    settings = {"head": "svm", "C": 0.005, "calibrate": False, "standardize": True}

    streamed, exact = (fit(x * units, y, solver, **settings) for solver in ("streamed", "exact"))

    scale = torch.from_numpy(1 / (x * units).std(axis=0))
    values = [objective(fit, x * units, y, "svm", scale=scale) for fit in (streamed, exact)]
    assert values[0] == pytest.approx(values[1], rel=1e-2)


def test_regularisation_and_temperature_come_from_one_fold(fit, make_problem):
    x, y = make_problem(300, 100, 3, noise=1.5)

    streamed, exact = (fit(x, y, solver, head="softmax") for solver in ("streamed", "exact"))

    tried = {round(np.log10(candidate.C), 6): candidate for candidate in exact.cross_validation}
    assert 3 <= len(streamed.cross_validation) <= 10
    for candidate in streamed.cross_validation:
        assert candidate.std == 0
        # 60 rows instead of 300 judge it.
        assert candidate.accuracy == pytest.approx(tried[round(np.log10(candidate.C), 6)].accuracy, abs=0.15)
    assert streamed.C in [candidate.C for candidate in streamed.cross_validation]
    assert streamed.temperature == pytest.approx(exact.temperature * (streamed.C / exact.C) ** 0.3, rel=1.5)
    assert streamed.temperature != 1


def test_no_larger_penalty_is_tried_after_two_that_did_worse(fit, make_problem, monkeypatch):
    x, y = make_problem(200, 100, 3)
    accuracies = iter([0.5, 0.9, 0.8, 0.95, 0.7, 0.6])
    assess = module.assess

    def scripted(*arguments, **settings):
        from dataclasses import replace

        return replace(assess(*arguments, **settings), accuracy=next(accuracies))

    monkeypatch.setattr(module, "assess", scripted)

    solved = fit(x, y, "streamed", head="ridge", calibrate=False)

    assert [candidate.accuracy for candidate in solved.cross_validation] == [0.5, 0.9, 0.8, 0.95, 0.7, 0.6]
    assert solved.C == solved.cross_validation[3].C


def test_held_out_rows_are_judged_by_a_head_that_has_not_seen_their_group(fit, make_problem):
    x, y = make_problem(240, 100, 3)
    # Every row has a twin, which gives its class away: the noise is 20 times the distance of the classes.
    rng = np.random.default_rng(0)
    x[:120] = rng.normal(size=(120, 100))
    x[120:], y[120:] = x[:120], y[:120]
    twins = np.arange(240) % 120

    apart, together = (
        fit(x, y, "streamed", head="softmax", C=1.0, groups=groups).cross_validation[0].accuracy
        for groups in (None, twins)
    )

    assert apart > 0.7
    assert together < 0.5


def test_progress_passes_through_every_stage_to_its_end(fit, make_problem):
    seen = {}

    fit(
        *make_problem(120, 60, 3), "streamed", head="ridge", C=0.1,
        progress=lambda stage, fraction: seen.setdefault(stage, []).append(fraction),
    )  # fmt: skip

    assert list(seen) == ["statistics", "kernel", "cross-validation", "solve", "weights"]
    assert all(fractions[-1] == 1 for fractions in seen.values())


@pytest.mark.parametrize(
    ("rows", "dim", "chosen"),
    [
        (1_733, 131_328, "exact"),
        (16_384, 131_328, "exact"),
        (16_385, 131_328, "streamed"),
        (50_000, 20_000, "streamed"),
        (50_000, 512, "exact"),
    ],
)
def test_the_solver_follows_the_size_of_the_basis(rows, dim, chosen):
    assert choose_solver(rows=rows, dim=dim, settings=HeadSettings()) == chosen
    for asked in ("exact", "streamed"):
        assert choose_solver(rows=rows, dim=dim, settings=HeadSettings(solver=asked)) == asked
