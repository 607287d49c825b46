"""A model on images and on a cache: what is recorded of each image, and what is found in other splits."""

import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from birdnet_cli.core.data import read_image_file
from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.predict import predict
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import ImageError
from birdnet_cli.core.evaluation import Copy, Duplicate
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model import Model, load_model
from birdnet_cli.core.recipe import HeadSettings
from tests.core.notes import Notes
from tests.core.textures import CLASSES, small_settings, write_textures


@pytest.fixture(scope="module")
def model_file(extracted: ExtractReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("model") / "avg.safetensors"
    settings = HeadSettings(head="softmax", C=1000.0, cv=2)
    return train_head(extracted.output, output, pooling="avg", settings=settings, weights="none").output


@pytest.fixture(scope="module")
def model(model_file: Path) -> Model:
    return load_model(model_file, device="cpu", precision="float32")


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """Textures whose test split has two copies of a training image, and a training image changed by a byte."""
    root = write_textures(tmp_path / "leaky", train=3, test=2)
    original = root / "train" / "rings" / "001.png"
    for name in ("a.png", "b.png"):
        shutil.copy(original, root / "test" / "rings" / name)
    # As long as the original, and so a suspect, but another file: the last byte belongs to a checksum that is not read.
    data = bytearray((root / "train" / "checks" / "000.png").read_bytes())
    data[-1] ^= 1
    (root / "test" / "checks" / "c.png").write_bytes(bytes(data))
    return root


def test_every_image_has_its_name_label_digest_and_probabilities(model: Model, textures: Path) -> None:
    outcomes = evaluate(textures, model, workers=0, batch_size=5).outcomes
    predicted = {row.path: row for row in predict([textures / "test"], model, k=3)}
    assert len(outcomes) == len(predicted) == 12
    for row, name in enumerate(outcomes.names):
        assert name == f"test/{CLASSES[outcomes.labels[row]]}/{name[-7:]}"
        assert outcomes.digests[row].tobytes() == hashlib.sha256((textures / name).read_bytes()).digest()
        top = predicted[str(textures / name)].top
        assert [guess.index for guess in top] == outcomes.top[row].tolist()
        assert [guess.prob for guess in top] == pytest.approx(outcomes.probs[row].tolist(), abs=1e-5)


def test_a_cache_gives_the_records_of_its_images(model: Model, textures: Path, extracted: ExtractReport) -> None:
    from_images, from_cache = evaluate(textures, model, workers=0).outcomes, evaluate(extracted.output, model).outcomes
    assert from_cache.names == from_images.names
    assert (from_cache.digests == from_images.digests).all()
    assert (from_cache.labels == from_images.labels).all()
    # float16 descriptors.
    assert from_cache.probs == pytest.approx(from_images.probs, abs=5e-3)


def test_the_loss_is_the_cross_entropy_of_the_calibrated_logits(model: Model, extracted: ExtractReport) -> None:
    outcomes = evaluate(extracted.output, model).outcomes
    own = outcomes.top == outcomes.labels[:, None]
    assert own.any(axis=1).all()
    assert outcomes.losses == pytest.approx(-np.log(outcomes.probs[own]), rel=1e-4)
    assert float(model.head.temperature) != 1


def test_files_of_other_splits_are_found_by_their_bytes(model: Model, leaky: Path) -> None:
    evaluation = evaluate(leaky, model, workers=0)
    copy = Copy("train", "train/rings/001.png")
    assert evaluation.duplicates == (Duplicate("test/rings/a.png", (copy,)), Duplicate("test/rings/b.png", (copy,)))
    assert evaluation.n == 9
    assert evaluation.without_duplicates.n == 7
    assert "test/checks/c.png" in evaluation.without_duplicates.outcomes.names


def test_a_cache_names_the_same_duplicates_as_its_images(model: Model, leaky: Path, tmp_path: Path) -> None:
    cache = extract(leaky, tmp_path / "leaky.h5", settings=small_settings()).output
    assert evaluate(cache, model).duplicates == evaluate(leaky, model, workers=0).duplicates
    (back,) = evaluate(cache, model, split="train").duplicates
    assert back.name == "train/rings/001.png"
    assert [copy.name for copy in back.copies] == ["test/rings/a.png", "test/rings/b.png"]


def test_only_files_of_the_same_length_are_read_in_other_splits(model: Model, leaky: Path) -> None:
    progress = Notes()
    evaluate(leaky, model, workers=0, progress=progress)
    sizes = {path.stat().st_size for path in leaky.glob("test/*/*.png")}
    suspects = [path for path in leaky.glob("train/*/*.png") if path.stat().st_size in sizes]
    assert progress.totals["look for copies in other splits"] == len(suspects) < 9


def test_a_file_of_another_split_that_cannot_be_read_is_a_note(
    model: Model, leaky: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **stamps: int) -> bytes:
        if path.match("train/rings/001.png"):
            raise ImageError(str(path), "cannot be read")
        return read_image_file(path, **stamps)

    # `core.engine.evaluate` is also the function's name in the package.
    monkeypatch.setattr(sys.modules["birdnet_cli.core.engine.evaluate"], "read_image_file", refuse)
    progress = Notes()
    evaluation = evaluate(leaky, model, workers=0, progress=progress)
    assert evaluation.duplicates == ()
    assert progress.lines == [
        "1 files of other splits could not be read to look for copies, such as train/rings/001.png"
    ]


def test_a_data_set_without_copies_has_no_duplicates(model: Model, textures: Path, extracted: ExtractReport) -> None:
    assert evaluate(textures, model, workers=0).duplicates == evaluate(extracted.output, model).duplicates == ()


def test_what_was_measured_is_said(model: Model, textures: Path, extracted: ExtractReport) -> None:
    assert evaluate(extracted.output, model, split="train").split == "train"
    assert evaluate(extracted.output, model).data == extracted.output.name
    assert evaluate(textures, model, workers=0).data == "textures"
