"""Evaluations are compared as they are; models are evaluated on the given data first."""

from pathlib import Path

import pytest

from birdnet_cli.core.engine.compare import compare
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.evaluation import Evaluation, compare_evaluations, serialise_evaluation
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model import load_model
from birdnet_cli.core.recipe import HeadSettings
from tests.core.evaluation.simulated import evaluation_of

CLASSES = ("auk", "crow")
A = evaluation_of(CLASSES, [(0, 0, 0.9), (0, 1, 0.8), (1, 1, 0.7)])
B = evaluation_of(CLASSES, [(0, 0, 0.9), (0, 0, 0.8), (1, 0, 0.7)])


def written(path: Path, evaluation: Evaluation) -> Path:
    path.write_text("".join(serialise_evaluation(evaluation)), encoding="ascii")
    return path


def test_two_evaluations_are_read_and_compared_in_their_order(tmp_path: Path) -> None:
    comparison = compare(written(tmp_path / "a.json", A), written(tmp_path / "b.json", B))
    assert comparison == compare_evaluations(A, B)
    assert [change.name for change in comparison.fixed] == ["1.jpg"]


def test_a_model_is_evaluated_on_the_split_of_the_data(extracted: ExtractReport, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    settings = HeadSettings(C=1000.0, calibrate=False)
    train_head(extracted.output, path, pooling="avg", settings=settings, weights="none")
    evaluation = evaluate(extracted.output, load_model(path, device="cpu"), split="train")
    comparison = compare(
        written(tmp_path / "a.json", evaluation), path, data=extracted.output, split="train", device="cpu"
    )
    assert comparison == compare_evaluations(evaluation, evaluation)
    assert comparison.n == 24


def test_a_model_without_data_and_data_without_a_model_are_refused(tmp_path: Path) -> None:
    evaluation = written(tmp_path / "a.json", A)
    with pytest.raises(UsageError, match=r"m\.safetensors: a model needs images to be measured on"):
        compare(evaluation, tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match=r"both are results already"):
        compare(evaluation, evaluation, data=tmp_path)
