import subprocess
import sys
from pathlib import Path

import pytest
import torch

from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.predict import predict
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import CacheError, DataError, UsageError
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model import Model, load_model
from birdnet_cli.core.recipe import HeadSettings
from tests.core.textures import small_settings, write_textures


@pytest.fixture(scope="module", params=["avg", "bilinear", "bilinear-reduce8", "bilinear-variance50", "compact-d64"])
def model(request: pytest.FixtureRequest, extracted: ExtractReport, tmp_path_factory: pytest.TempPathFactory) -> Model:
    output = tmp_path_factory.mktemp("model") / f"{request.param}.safetensors"
    settings = HeadSettings(C=1000.0, cv=2)
    train_head(extracted.output, output, pooling=request.param, settings=settings, weights="none")
    return load_model(output, device="cpu", precision="float32")


def test_images_and_their_cache_are_evaluated_alike(model: Model, extracted: ExtractReport, textures: Path) -> None:
    from_cache = evaluate(extracted.output, model)
    from_images = evaluate(textures, model, workers=0)
    assert from_cache.n == from_images.n == 12
    assert from_cache.top1 == from_images.top1
    assert from_cache.confusions == from_images.confusions


def test_a_file_is_named_alike_alone_and_in_a_folder(model: Model, textures: Path) -> None:
    folder = textures / "test"
    together = {row.path: row for row in predict([folder], model, k=3)}
    assert len(together) == 12
    for path in sorted(folder.glob("*/002.png")):
        (alone,) = predict([path], model, k=3)
        assert [guess.label for guess in alone.top] == [guess.label for guess in together[str(path)].top]
        for guess, other in zip(alone.top, together[str(path)].top, strict=True):
            assert guess.prob == pytest.approx(other.prob, abs=1e-5)


def test_guesses_fall_in_probability_and_sum_to_one(model: Model, textures: Path) -> None:
    (row,) = predict([textures / "test" / "rings" / "000.png"], model, k=9)
    probabilities = [guess.prob for guess in row.top]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert {guess.label for guess in row.top} == set(model.classes)
    assert all(model.classes[guess.index] == guess.label for guess in row.top)


def test_a_bad_image_is_a_row_between_good_ones(model: Model, textures: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"GIF89a")
    good = textures / "test" / "rings" / "000.png"
    rows = list(predict([good, bad, tmp_path / "absent.png", good], model, k=1))
    assert [row.status for row in rows] == ["ok", "error", "error", "ok"]
    assert [row.path for row in rows] == [str(good), str(bad), str(tmp_path / "absent.png"), str(good)]
    assert rows[1].top == ()
    assert "no such file" in str(rows[2].error)
    assert rows[0].top[0].label == rows[3].top[0].label
    assert rows[0].top[0].prob == pytest.approx(rows[3].top[0].prob, abs=1e-5)


def test_a_model_file_is_all_that_another_process_needs(
    extracted: ExtractReport, textures: Path, tmp_path: Path
) -> None:
    output = tmp_path / "moved" / "m.safetensors"
    output.parent.mkdir()
    train_head(extracted.output, output, pooling="bilinear", settings=HeadSettings(C=1000.0, cv=2), weights="none")
    image = textures / "test" / "stripes" / "000.png"
    (expected,) = predict([image], load_model(output, precision="float32", device="cpu"), k=1)
    script = (
        "import birdnet_cli as fbn, socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        f"model = fbn.load_model({str(output)!r}, precision='float32', device='cpu')\n"
        f"(row,) = fbn.predict([{str(image)!r}], model, k=1)\n"
        "print(row.top[0].label, row.top[0].prob)\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path), "FBN_OFFLINE": "1", "HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    label, probability = done.stdout.split()
    assert label == expected.top[0].label
    assert float(probability) == pytest.approx(expected.top[0].prob, abs=1e-5)


def test_a_model_without_its_backbone_finds_it_again(extracted: ExtractReport, textures: Path, tmp_path: Path) -> None:
    settings = HeadSettings(C=1000.0, cv=2)
    full, light = tmp_path / "full.safetensors", tmp_path / "light.safetensors"
    train_head(extracted.output, full, pooling="avg", settings=settings, weights="none")
    train_head(extracted.output, light, pooling="avg", settings=settings, weights="none", embed_backbone=False)
    assert light.stat().st_size < full.stat().st_size / 10
    image = textures / "test" / "stripes" / "000.png"
    models = load_model(full, precision="float32"), load_model(light, precision="float32", weights="none")
    (first,), (second,) = (predict([image], model, k=1) for model in models)
    assert first.top == second.top


def test_classes_are_matched_by_name_when_their_order_differs(model: Model, textures: Path, tmp_path: Path) -> None:
    lines = ["path,label,split"]
    for folder in sorted((textures / "test").iterdir(), reverse=True):
        lines += [f"test/{folder.name}/{image.name},{folder.name},test" for image in sorted(folder.iterdir())]
        lines += [f"train/{folder.name}/000.png,{folder.name},train"]
    listing = textures / "reversed.csv"
    listing.write_text("\n".join(lines))
    try:
        assert evaluate(listing, model, workers=0).top1 == evaluate(textures, model, workers=0).top1
    finally:
        listing.unlink()


def test_a_class_that_the_model_does_not_know_is_named(model: Model, tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=1, test=1)
    for split in ("train", "test"):
        (data / split / "rings").rename(data / split / "spirals")
    with pytest.raises(DataError, match="does not know: spirals"):
        evaluate(data, model, workers=0)


def test_a_cache_of_other_features_is_refused(model: Model, textures: Path, tmp_path: Path) -> None:
    other = extract(textures, tmp_path / "o.h5", settings=small_settings(image_size=40))
    with pytest.raises(CacheError, match="differ from the model's in: transform"):
        evaluate(other.output, model)


def test_a_device_that_is_not_there_is_a_usage_error(extracted: ExtractReport, tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    train_head(extracted.output, output, pooling="avg", settings=HeadSettings(C=1.0, calibrate=False), weights="none")
    with pytest.raises(UsageError, match="expected auto, cpu, cuda or cuda:N"):
        load_model(output, device="abacus")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="has 0 CUDA devices"):
            load_model(output, device="cuda")
