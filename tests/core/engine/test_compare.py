"""Results and models are compared in any combination."""

from pathlib import Path

import pytest

from birdnet_cli.core.engine.compare import compare
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.evaluation import serialise_evaluation
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model import load_model
from birdnet_cli.core.recipe import HeadSettings

TRAIN = HeadSettings(C=1.0, calibrate=False)


@pytest.fixture(scope="module")
def models(extracted: ExtractReport, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    a, b = (
        train_head(
            extracted.output, folder / f"{name}.safetensors", pooling=name, settings=TRAIN, weights="none"
        ).output
        for name in ("avg", "max")
    )
    return a, b


def test_a_model_is_compared_as_its_own_result_would_be(
    models: tuple[Path, Path], extracted: ExtractReport, tmp_path: Path
) -> None:
    result = tmp_path / "a.json"
    a, b = (evaluate(extracted.output, load_model(model, device="cpu"), split="train") for model in models)
    result.write_text("".join(serialise_evaluation(a)))
    mixed = compare(result, models[1], data=extracted.output, split="train", device="cpu")
    both = compare(*models, data=extracted.output, split="train", device="cpu")
    assert mixed == both
    assert both.n == 24
    assert both.difference == b.top1 - a.top1


def test_a_model_without_images_is_refused(models: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match=r"avg\.safetensors: a model needs images to be measured on: give --data"):
        compare(models[0], "b.json")


def test_images_without_a_model_are_refused(extracted: ExtractReport) -> None:
    with pytest.raises(UsageError, match="both are results already, which need no images; leave --data out"):
        compare("a.json", "b.json", data=extracted.output)
