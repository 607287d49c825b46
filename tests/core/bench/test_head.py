"""The exact head and scikit-learn's on a cache of textures."""

import json
import sys

import numpy as np
import pytest

from birdnet_cli.core.bench import head as module
from birdnet_cli.core.bench.head import HeadComparison, Subset, bench_head
from birdnet_cli.core.bench.sklearn_heads import create_rival, fit_rival
from birdnet_cli.core.errors import DataError, UnknownNameError, UsageError
from birdnet_cli.core.features.run import ExtractReport


@pytest.mark.parametrize("pooling", ["bilinear", "max"])
@pytest.mark.parametrize("head", ["svm", "softmax"])
def test_both_reach_the_same_objective_and_predictions(extracted: ExtractReport, head: str, pooling: str) -> None:
    found = bench_head(extracted.output, pooling=pooling, head=head)
    assert found.rival == {"svm": "LinearSVC", "softmax": "LogisticRegression"}[head]
    assert (found.images, found.classes, found.tested) == (24, 3, 12)
    assert found.converged
    assert abs(found.difference) <= 1e-4
    assert found.agreement == 1
    assert found.seconds > 0
    assert found.rival_seconds > 0


def test_a_subset_of_images_classes_and_dims_is_measured(extracted: ExtractReport) -> None:
    found = bench_head(extracted.output, pooling="bilinear", C=2.5, subset=Subset(images=10, classes=2, dims=100))
    assert (found.images, found.classes, found.dims, found.tested, found.C) == (10, 2, 100, 8, 2.5)
    assert abs(found.difference) <= 1e-4


def test_two_classes_are_one_problem_to_scikit_learn(extracted: ExtractReport) -> None:
    found = bench_head(extracted.output, pooling="avg", head="softmax", subset=Subset(classes=2))
    assert abs(found.difference) <= 1e-4
    assert found.agreement == 1


def test_seconds_are_medians_of_interleaved_fits(extracted: ExtractReport, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ours takes 1, 5 and 2 seconds by this clock, scikit-learn's 10, 30 and 90.
    ticks = iter(np.cumsum([0, 1, 0, 10, 0, 5, 0, 30, 0, 2, 0, 90]).tolist())
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(ticks))
    found = bench_head(extracted.output, pooling="avg", repeats=3)
    assert (found.seconds, found.rival_seconds, found.speedup) == (2, 30, 15)


def test_a_looser_tolerance_leaves_the_rival_farther_from_the_minimum(extracted: ExtractReport) -> None:
    own, loose = (
        bench_head(extracted.output, pooling="avg", head="softmax", tolerance=tolerance) for tolerance in (1e-6, 0.5)
    )
    assert (own.tolerance, loose.tolerance) == (1e-6, 0.5)
    assert loose.rival_objective > own.rival_objective


def test_a_rival_that_does_not_converge_is_told(extracted: ExtractReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("birdnet_cli.core.bench.sklearn_heads.MAX_ITERATIONS", 1)
    assert not bench_head(extracted.output, pooling="avg").converged


def test_a_comparison_is_json(extracted: ExtractReport) -> None:
    found = bench_head(extracted.output, pooling="avg")
    document = json.loads(json.dumps(found.to_json()))
    assert document["speedup"] == found.rival_seconds / found.seconds
    assert document["difference"] == (found.objective - found.rival_objective) / found.rival_objective
    assert set(document) == {*HeadComparison.__dataclass_fields__, "speedup", "difference"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 25}, r"wants 25 images, the cache has 24 \(--images\)"),
        ({"classes": 4}, r"wants 4 classes, the cache has 3 \(--classes\)"),
        ({"dims": 513}, r"wants 513 dims, the cache has 128 \(--dims\)"),
    ],
)
def test_more_than_there_is_is_refused(extracted: ExtractReport, options: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        bench_head(extracted.output, pooling="avg", subset=Subset(**options))


def test_without_scikit_learn_the_message_says_how_to_install_it(
    extracted: ExtractReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(UsageError, match="scikit-learn, which is not installed: python -m pip install scikit-learn"):
        bench_head(extracted.output, pooling="avg")


def test_a_head_that_scikit_learn_lacks_is_an_error(extracted: ExtractReport) -> None:
    with pytest.raises(UnknownNameError, match="unknown head to compare 'ridge': known: softmax, svm"):
        bench_head(extracted.output, pooling="avg", head="ridge")


@pytest.mark.parametrize("head", ["svm", "softmax"])
def test_a_rival_of_two_classes_has_a_row_for_each(head: str) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 5))
    labels = (rows[:, 0] > 0).astype(np.int64)
    model = create_rival(head, C=1.0, num_classes=2, mean_squared_norm=5.0)
    weight, bias, _ = fit_rival(model, rows, labels)
    assert weight.shape == (2, 5)
    assert ((rows @ weight.T + bias).argmax(axis=1) == model.predict(rows)).all()
