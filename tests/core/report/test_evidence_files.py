"""Evidence maps of a model: they add up to its logits, and a figure shows them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops

from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.finetune import finetune
from birdnet_cli.core.engine.predict import predict
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model import Guess, Model, Prediction, explain_logits, load_model, logit_biases
from birdnet_cli.core.recipe import HeadSettings
from birdnet_cli.core.report.evidence_files import EvidenceWriter
from birdnet_cli.core.report.pictures.evidence_figure import draw_evidence
from tests.core.textures import small_settings
from tests.core.training.quick import quick_settings

HEAD = HeadSettings(C=1000.0, calibrate=False)
NAMES = ["max", "avg", "bilinear", "bilinear-reduce8", "bilinear-variance50", "compact-d64"]


def solve(cache: Path, output: Path, pooling: str) -> Model:
    train_head(cache, output, pooling=pooling, settings=HEAD, weights="none")
    return load_model(output, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def model(extracted: ExtractReport, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return solve(extracted.output, tmp_path_factory.mktemp("model") / "m.safetensors", "bilinear")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("pooling", NAMES)
def test_map_and_bias_sum_to_the_logit(
    extracted: ExtractReport, tmp_path: Path, images: torch.Tensor, pooling: str
) -> None:
    model = solve(extracted.output, tmp_path / "m.safetensors", pooling)
    logits, bias = model.logits(images), model.head.bias
    maps = explain_logits(model, images, labels=[0, 2])
    expected = torch.stack([logits[0, 0] - bias[0], logits[1, 2] - bias[2]])
    torch.testing.assert_close(maps.sum((1, 2)), expected, rtol=1e-4, atol=1e-4)


def test_map_of_a_difference_sums_to_the_difference_of_logits(model: Model, images: torch.Tensor) -> None:
    scores = model.logits(images) - model.head.bias
    maps = explain_logits(model, images, labels=[0, 2], versus=1)
    expected = torch.stack([scores[0, 0] - scores[0, 1], scores[1, 2] - scores[1, 1]])
    torch.testing.assert_close(maps.sum((1, 2)), expected, rtol=1e-4, atol=1e-4)


def test_map_of_a_model_that_averages_over_the_mirrored_image_sums_too(
    textures: Path, tmp_path: Path, images: torch.Tensor
) -> None:
    cache = extract(textures, tmp_path / "f.h5", settings=small_settings(flip=True, pooling="bilinear")).output
    model = solve(cache, tmp_path / "m.safetensors", "bilinear")
    maps = explain_logits(model, images, labels=[0, 0])
    torch.testing.assert_close(maps.sum((1, 2)), model.logits(images)[:, 0] - model.head.bias[0], rtol=1e-4, atol=1e-4)
    # The mirrored image's map is the map's mirror image.
    mirrored = explain_logits(model, images.flip(-1), labels=[0, 0])
    torch.testing.assert_close(mirrored, maps.flip(-1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["fc", "fb"])
def test_map_of_a_head_on_feature_maps_sums_to_the_logit(
    textures: Path, tmp_path: Path, images: torch.Tensor, head: str
) -> None:
    quick = quick_settings(network="resnet164", blocks=1, width=4, layer=None, head=head, epochs=1)
    model = load_model(finetune(textures, tmp_path / "run", settings=quick).model, device="cpu", precision="float32")
    scores = model.logits(images) - logit_biases(model)
    maps = explain_logits(model, images, labels=[0, 2])
    torch.testing.assert_close(maps.sum((1, 2)), torch.stack([scores[0, 0], scores[1, 2]]), rtol=1e-4, atol=1e-4)
    rival = explain_logits(model, images, labels=[0, 2], versus=1)
    expected = torch.stack([scores[0, 0] - scores[0, 1], scores[1, 2] - scores[1, 1]])
    torch.testing.assert_close(rival.sum((1, 2)), expected, rtol=1e-4, atol=1e-4)


def test_prediction_leaves_a_figure_and_a_map_for_every_good_image(
    model: Model, textures: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    sources = [textures / "test" / "rings" / "000.png", bad, textures / "test" / "checks" / "001.png"]
    folder = tmp_path / "why"
    rows = list(predict(sources, model, k=2, watch=EvidenceWriter(model, folder)))
    assert [row.status for row in rows] == ["ok", "error", "ok"]
    assert sorted(path.name for path in folder.iterdir()) == ["00001-000.png", "00002-001.png", "evidence.jsonl"]
    lines = [json.loads(line) for line in (folder / "evidence.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [str(sources[0]), str(sources[2])]
    assert [line["label"] for line in lines] == [rows[0].top[0].label, rows[2].top[0].label]
    for line in lines:
        assert np.sum(line["map"]) + line["bias"] == pytest.approx(line["logit"], abs=1e-4)


def test_an_image_that_is_called_the_rival_is_explained_by_the_next_class(
    model: Model, textures: Path, tmp_path: Path
) -> None:
    image = textures / "test" / "rings" / "000.png"
    (row,) = predict([image], model, k=3)
    rival = row.top[0].label
    folder = tmp_path / "why"
    list(predict([image], model, k=3, watch=EvidenceWriter(model, folder, versus=rival)))
    line = json.loads((folder / "evidence.jsonl").read_text())
    assert (line["label"], line["versus"]) == (row.top[1].label, rival)
    assert line["logit"] < 0
    with pytest.raises(UsageError, match="-k 2 or more"):
        list(predict([image], model, k=1, watch=EvidenceWriter(model, tmp_path / "one", versus=rival)))


def test_a_rival_that_is_no_class_is_named(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown class 'ring': did you mean rings"):
        EvidenceWriter(model, tmp_path, versus="ring")


def test_a_folder_with_an_evidence_list_is_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / "evidence.jsonl").touch()
    with pytest.raises(UsageError, match=r"evidence\.jsonl: exists already"):
        EvidenceWriter(model, tmp_path)


ROW = Prediction("a.png", "ok", None, (Guess("wren", 0, 0.75), Guess("auk", 1, 0.25)), "m")
GREY = torch.full((3, 32, 32), 128, dtype=torch.uint8)


def figure(evidence: torch.Tensor, *, title: str = "wren") -> Image.Image:
    return draw_evidence(GREY, evidence, ROW, title=title)


def test_evidence_for_is_orange_and_evidence_against_is_blue() -> None:
    evidence = torch.zeros(4, 4)
    evidence[0, 0], evidence[3, 3] = 1.0, -1.0
    pixels = np.asarray(figure(evidence)).astype(int)
    painted = pixels[60 : 60 + 384, 24 + 384 + 16 : 24 + 2 * 384 + 16]
    (r, _, b), (r2, _, b2) = painted[10, 10], painted[-10, -10]
    assert r > b + 50
    assert b2 > r2 + 50


def test_a_map_without_evidence_leaves_the_photograph_grey() -> None:
    pixels = np.asarray(figure(torch.zeros(4, 4)))[60 : 60 + 384, 24 + 384 + 16 : 24 + 2 * 384 + 16]
    assert (pixels == 128).all()


def test_title_and_guesses_are_drawn() -> None:
    plain = figure(torch.zeros(2, 2))
    assert ImageChops.difference(plain, figure(torch.zeros(2, 2), title="auk")).getbbox() is not None
    assert np.asarray(plain)[60 + 384 + 44 + 10, 24 + 20].tolist() == [0x2B, 0x2A, 0x28]
