"""A model predicts a batch in its order; a file whose tensors and header do not fit is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from birdnet_cli.core.data import Batch, Sample
from birdnet_cli.core.data.loading.loader import Failure
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model import load_model, read_description
from birdnet_cli.core.recipe import HeadSettings
from tests.core.small_model import random_model

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def trained(extracted: ExtractReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("model") / "m.safetensors"
    settings = HeadSettings(C=1.0, calibrate=False)
    train_head(extracted.output, output, pooling="bilinear-variance50", settings=settings, weights="none")
    return output


def assert_refused(path: Path, message: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert "\n" not in text


def save_changed(
    trained: Path, output: Path, header: dict[str, Any], change: Callable[[Tensors], object] = lambda _: None
) -> Path:
    """Write a copy of a model with some parts of the header and some tensors changed."""
    document, tensors = read_description(trained).to_json(), load_file(trained)
    for key, value in header.items():
        document[key] = document[key] | value if isinstance(value, dict) else value
    change(tensors)
    save_file(tensors, output, metadata={"fbn_model": json.dumps(document)})
    return output


def test_a_copy_without_a_change_is_read(trained: Path, tmp_path: Path) -> None:
    assert load_model(save_changed(trained, tmp_path / "m.safetensors", {})).name == "m.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("head.weight"), "head.weight is missing"),
        (lambda tensors: tensors.update({"head.second": torch.zeros(1)}), "head.second is not expected"),
        (
            lambda tensors: tensors.update({"head.weight": torch.zeros(3, 49)}),
            "head.weight has shape [3, 49], expected [3, 50]",
        ),
        (
            lambda tensors: tensors.update({"pooling.selection.indices": torch.arange(49)}),
            "pooling.selection.indices has shape [49], expected [50]",
        ),
    ],
    ids=["missing", "extra", "head's shape", "pooling's shape"],
)
def test_tensors_that_do_not_fit_the_header_are_named(
    trained: Path, tmp_path: Path, change: Callable[[Tensors], object], message: str
) -> None:
    path = save_changed(trained, tmp_path / "m.safetensors", {}, change)
    assert_refused(path, f"the tensors do not fit the header: {message}")


def test_every_tensor_that_does_not_fit_is_named_at_once(trained: Path, tmp_path: Path) -> None:
    def change(tensors: Tensors) -> None:
        del tensors["head.weight"], tensors["head.bias"]

    path = save_changed(trained, tmp_path / "m.safetensors", {}, change)
    assert_refused(path, "head.weight is missing; head.bias is missing")


def test_a_missing_embedded_backbone_is_named(trained: Path, tmp_path: Path) -> None:
    def change(tensors: Tensors) -> None:
        for key in [key for key in tensors if key.startswith("backbone.")]:
            del tensors[key]

    path = save_changed(trained, tmp_path / "m.safetensors", {}, change)
    assert_refused(path, "the embedded backbone does not fit vgg16 at relu2_1: missing features.0.weight")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"classes": ["one", "two"]}, "head.weight has shape [3, 50], expected [2, 50]"),
        ({"backbone": {"preprocessing": {"mean": 3}}}, "preprocessing: expected the keys"),
        ({"backbone": {"backbone": "vgg17"}}, "unknown backbone 'vgg17'"),
        ({"backbone": {"backbone": ["vgg16"]}}, "the header's backbone lacks or mistypes: backbone"),
        ({"backbone": {"layer": "relu9_9"}}, "unknown layer of vgg16 'relu9_9'"),
        ({"backbone": {"layer": "relu3_1"}}, "the embedded backbone does not fit vgg16 at relu3_1"),
        ({"pooling": {"reduce": 4}}, "cannot select 50 of 10 components"),
        ({"pooling": {"select": 1 << 40}}, "cannot select 1099511627776 of 8256 components"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_header_that_asks_for_another_network_is_refused(
    trained: Path, tmp_path: Path, header: dict[str, Any], message: str
) -> None:
    assert_refused(save_changed(trained, tmp_path / "m.safetensors", header), message)


def test_rows_follow_the_batch_and_hold_calibrated_probabilities(tmp_path: Path) -> None:
    model = random_model()
    images = torch.randint(256, (2, 3, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    samples = [Sample(tmp_path / f"{name}.png", f"{name}.png", 0, "test") for name in "abcd"]
    batch = Batch([3, 1, 0], images, [0, 2], [Failure(1, "b.png", "zero bytes")], [b""] * 3)
    rows = model.rows(samples, batch, 2)
    assert [(row.path, row.status, row.error) for row in rows] == [
        (str(tmp_path / "d.png"), "ok", None),
        (str(tmp_path / "b.png"), "error", "zero bytes"),
        (str(tmp_path / "a.png"), "ok", None),
    ]
    assert rows[1].top == ()
    # softmax(logits / T), T = 2.
    powers = (model.logits(images).double() / 2).exp()
    for row, exact in zip((rows[0], rows[2]), powers / powers.sum(dim=1, keepdim=True), strict=True):
        order = exact.argsort(descending=True).tolist()[:2]
        assert [guess.index for guess in row.top] == order
        assert [guess.label for guess in row.top] == [model.classes[index] for index in order]
        assert [guess.prob for guess in row.top] == pytest.approx(exact[order].tolist(), abs=1e-5)


def test_no_more_classes_are_returned_than_there_are(tmp_path: Path) -> None:
    batch = Batch([0], torch.zeros(1, 3, 8, 8, dtype=torch.uint8), [0], [], [b""])
    (row,) = random_model().rows([Sample(tmp_path / "a.png", "a.png", 0, "test")], batch, 99)
    assert len(row.top) == 3
