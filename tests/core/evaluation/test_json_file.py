"""An evaluation written as JSON and read back; other and damaged files are refused."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_cli.core.errors import DataError
from birdnet_cli.core.evaluation import Copy, Duplicate, Evaluation
from birdnet_cli.core.evaluation.json_file import describe_evaluation, read_evaluation, serialise_evaluation
from tests.core.evaluation.simulated import evaluation_of, simulate

CLASSES = ("Grünfink", "caf\udce9", 'a "quoted", <name>', "x", "y", "z")


def full() -> Evaluation:
    evaluation = simulate(classes=CLASSES, n=90, sharpness=1.0, prefix="t\udcff")
    return replace(
        evaluation,
        failed=("t/1.jpg: zero bytes",),
        duplicates=(Duplicate(evaluation.outcomes.names[3], (Copy("train", "train/\udce9.jpg"),)),),
        data="birds.h5",
        model={"file": "m.safetensors", "dimensions": 12, "head": {"C": 0.5}},
    )


def written(evaluation: Evaluation, tmp_path: Path, **additions: Any) -> Path:
    path = tmp_path / "evaluation.json"
    path.write_text("".join(serialise_evaluation(evaluation, **additions)), encoding="ascii")
    return path


def test_what_is_written_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    evaluation = full()
    again = read_evaluation(written(evaluation, tmp_path))
    assert again == evaluation
    assert again.estimates == evaluation.estimates


def test_the_metrics_are_at_the_top(tmp_path: Path) -> None:
    evaluation = full()
    document = json.loads(written(evaluation, tmp_path).read_text())
    assert document["n"] == 90
    assert document["top1"] == evaluation.top1
    assert document["top5"] == evaluation.top5
    assert list(document["per_class"]) == list(CLASSES)
    row = document["per_class"]["Grünfink"]
    first = evaluation.per_class[0]
    assert (row["n"], row["recall"], row["precision"]) == (first.n, first.recall, first.precision)
    assert row["recall_interval"] == list(first.recall_interval or ())
    assert document["confusions"][0]["count"] == evaluation.confusions[0].count
    assert document["failed"] == ["t/1.jpg: zero bytes"]


def test_counts_of_a_class_are_repeated_under_the_keys_of_0_1_0(tmp_path: Path) -> None:
    evaluation = full()
    row = json.loads(written(evaluation, tmp_path).read_text())["per_class"]["x"]
    assert (row["called"], row["right"]) == (row["predicted"], row["correct"])
    assert (row["predicted"], row["correct"]) == (evaluation.per_class[3].predicted, evaluation.per_class[3].correct)


def test_an_evaluation_without_the_new_keys_is_read(tmp_path: Path) -> None:
    path = written(full(), tmp_path)
    document = json.loads(path.read_text())
    for row in document["per_class"].values():
        del row["predicted"], row["correct"]
    path.write_text(json.dumps(document))
    assert read_evaluation(path) == full()


def test_every_estimate_has_its_interval(tmp_path: Path) -> None:
    evaluation = full()
    document = json.loads(written(evaluation, tmp_path).read_text())
    for name, estimate in evaluation.estimates.items():
        assert document[name] == estimate.value
        assert document[f"{name}_interval"] == list(estimate.interval)
    assert set(document["methods"]) == {
        "confidence", "top1, top5, recall, precision, accuracy", "macro_recall, macro_precision", "ece", "nll",
    }  # fmt: skip


def test_reliability_coverage_and_duplicates_are_there(tmp_path: Path) -> None:
    evaluation = full()
    document = json.loads(written(evaluation, tmp_path).read_text())
    assert len(document["reliability"]) == 15
    assert sum(bin["n"] for bin in document["reliability"]) == 90
    assert document["coverage"][-1]["coverage"] == 1
    assert document["coverage"][-1]["accuracy"] == evaluation.top1
    assert document["duplicates"][0]["copies"] == [{"split": "train", "name": "train/\udce9.jpg"}]
    assert document["without_duplicates"]["n"] == 89
    assert "per_class" not in document["without_duplicates"]


def test_each_image_is_one_line(tmp_path: Path) -> None:
    evaluation = full()
    lines = written(evaluation, tmp_path).read_text().splitlines()
    rows = [json.loads(line.rstrip(",")) for line in lines if line.startswith('  {"name"')]
    assert len(rows) == 90
    assert rows[5]["name"] == evaluation.outcomes.names[5]
    assert rows[5]["sha256"] == evaluation.outcomes.digests[5].tobytes().hex()
    assert rows[5]["top"] == evaluation.outcomes.top[5].tolist()


def test_additions_stand_beside_the_metrics(tmp_path: Path) -> None:
    path = written(full(), tmp_path, gates=[{"passed": True}])
    assert json.loads(path.read_text())["gates"] == [{"passed": True}]
    assert read_evaluation(path) == full()


def test_an_unbounded_limit_is_null() -> None:
    assert describe_evaluation(evaluation_of(CLASSES, [(0, 0, 0.5)]))["nll_interval"] == [0.0, None]


def test_an_evaluation_without_an_image_is_written_and_read(tmp_path: Path) -> None:
    nothing = replace(full(), outcomes=full().outcomes.select(np.zeros(90, bool)), duplicates=())
    assert read_evaluation(written(nothing, tmp_path)) == nothing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "but it is not JSON"),
        ("[]", r"expected an evaluation from fbn evaluate --json \(fbn-evaluation-1\), found 'list'"),
        ('{"top1": 0.5}', "found None"),
        ('{"format": "fbn-evaluation-1"}', "damaged evaluation of fbn evaluate --json: KeyError: 'classes'"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_evaluation(path)


def test_an_absent_file_is_refused_with_the_command_that_writes_evaluations(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file; fbn evaluate --json FILE writes evaluations"):
        read_evaluation(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("label", 6), ("label", -1), ("label", 2**40), ("label", "x"), ("top", [0, 1]), ("top", [0, 1, 2, 3, 6]),
        ("probs", [math.nan] * 5), ("loss", math.inf), ("sha256", "00"), ("sha256", "g" * 64), ("sha256", None),
    ],
)  # fmt: skip
def test_a_damaged_image_is_refused(tmp_path: Path, key: str, value: object) -> None:
    path = written(full(), tmp_path)
    document = json.loads(path.read_text())
    document["images"][7][key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="damaged evaluation of fbn evaluate"):
        read_evaluation(path)


@pytest.mark.parametrize("key", ["classes", "images", "failed", "duplicates", "model"])
def test_a_field_of_another_type_is_refused(tmp_path: Path, key: str) -> None:
    path = written(full(), tmp_path)
    document = json.loads(path.read_text())
    document[key] = 7
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="damaged evaluation of fbn evaluate"):
        read_evaluation(path)
