from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.engine.extract import extract
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import DataError, NumericsError, UnknownNameError, UsageError, WeightsError
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.heads import HalfWeight, LinearHead
from birdnet_cli.core.heads.solver import grouped_folds
from birdnet_cli.core.model import read_description, read_model_file
from birdnet_cli.core.recipe import HeadSettings
from tests.core.notes import Notes
from tests.core.textures import POOLINGS, small_settings, write_textures

QUICK = HeadSettings(C=1.0, calibrate=False)


def training_accuracy(cache_path: Path, model: Path, name: str) -> float:
    description, tensors = read_model_file(model)
    head = LinearHead(tensors["head"]["weight"].shape[1], len(description.classes))
    head.load_state_dict(tensors["head"])
    with FeatureCache.open(cache_path) as cache:
        rows = np.flatnonzero([split == "train" for split in cache.splits])
        correct = [
            head(torch.from_numpy(block)).argmax(1).numpy() == cache.labels[rows[positions]]
            for positions, block in cache.blocks(name, rows)
        ]
    return float(np.concatenate(correct).mean())


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_descriptor_of_a_cache_can_be_learned(extracted: ExtractReport, tmp_path: Path, pooling: str) -> None:
    trained = train_head(
        extracted.output, tmp_path / "m.safetensors", pooling=pooling, weights="none",
        settings=HeadSettings(C=1000.0, calibrate=False),
    )  # fmt: skip
    assert trained.images == 24
    assert training_accuracy(extracted.output, trained.output, pooling) > 0.9


def test_cross_validation_is_recorded_in_the_model(extracted: ExtractReport, tmp_path: Path) -> None:
    settings = HeadSettings(head="softmax", cv=3)
    trained = train_head(extracted.output, tmp_path / "m.safetensors", pooling="avg", settings=settings, weights="none")
    head = read_description(trained.output).head
    assert head["head"] == "softmax"
    assert head["C"] in [row["C"] for row in head["cross_validation"]]
    assert len(head["cross_validation"]) == 10


def test_the_same_cache_and_seed_give_the_same_bytes(extracted: ExtractReport, tmp_path: Path) -> None:
    first, second = (
        train_head(extracted.output, tmp_path / name, pooling="bilinear", settings=HeadSettings(cv=3), weights="none")
        for name in ("a.safetensors", "b.safetensors")
    )
    assert first.output.read_bytes() == second.output.read_bytes()
    assert first.sha256 == second.sha256


def test_images_of_other_splits_do_not_touch_the_model(textures: Path, tmp_path: Path) -> None:
    whole = extract(textures, tmp_path / "whole.h5", settings=small_settings(pooling="avg"))
    train = extract(textures, tmp_path / "train.h5", settings=small_settings(pooling="avg"), splits=("train",))
    models = [
        train_head(cache.output, tmp_path / f"{cache.output.stem}.safetensors", settings=QUICK, weights="none").output
        for cache in (whole, train)
    ]
    for group in ("head", "pooling", "backbone"):
        first, second = (read_model_file(model)[1][group] for model in models)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_several_descriptors_ask_for_a_choice(extracted: ExtractReport, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose one with --pooling: avg, bilinear"):
        train_head(extracted.output, tmp_path / "m.safetensors", weights="none")


def test_a_descriptor_that_the_cache_lacks_is_named(extracted: ExtractReport, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'bilinear-reduce9': did you mean bilinear-reduce8"):
        train_head(extracted.output, tmp_path / "m.safetensors", pooling="bilinear-reduce9", weights="none")


def test_an_existing_model_is_not_overwritten_unasked(extracted: ExtractReport, tmp_path: Path) -> None:
    output = tmp_path / "m.safetensors"
    output.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already"):
        train_head(extracted.output, output, pooling="avg", settings=QUICK, weights="none")
    assert output.read_bytes() == b"precious"
    train_head(extracted.output, output, pooling="avg", settings=QUICK, weights="none", overwrite=True)
    assert read_description(output).classes == ("checks", "rings", "stripes")


def test_weights_other_than_those_of_the_cache_are_refused(textures: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    cache = extract(textures, tmp_path / "c.h5", settings=small_settings(pooling="avg"))
    full = train_head(cache.output, tmp_path / "m.safetensors", settings=QUICK, weights="none").output
    tensors = {
        key.removeprefix("backbone."): value * 2
        for key, value in load_file(full).items()
        if key.startswith("backbone.")
    }
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="give the right file with --weights"):
        train_head(
            cache.output, tmp_path / "n.safetensors", settings=QUICK, weights=str(tmp_path / "other.safetensors")
        )


def test_a_class_whose_training_images_all_failed_is_named(tmp_path: Path) -> None:
    data = write_textures(tmp_path / "data", train=2, test=1)
    for image in (data / "train" / "rings").iterdir():
        image.write_bytes(b"")
    cache = extract(data, tmp_path / "c.h5", settings=small_settings(pooling="avg"), on_error="skip")
    with pytest.raises(DataError, match="1 classes have no readable training image: rings"):
        train_head(cache.output, tmp_path / "m.safetensors", settings=QUICK, weights="none")


def test_weights_are_stored_in_float16_and_predict_the_same(extracted: ExtractReport, tmp_path: Path) -> None:
    settings = HeadSettings(C=1000.0, calibrate=False)
    half, whole = (
        train_head(
            extracted.output, tmp_path / f"{dtype}.safetensors", pooling="bilinear", weights="none",
            settings=settings.model_copy(update={"weight_dtype": dtype}),
        ).output
        for dtype in ("auto", "float32")
    )  # fmt: skip
    stored = [read_model_file(path)[1]["head"]["weight"] for path in (half, whole)]
    assert [weight.dtype for weight in stored] == [torch.float16, torch.float32]
    assert [read_description(path).head["weight_dtype"] for path in (half, whole)] == ["float16", "float32"]
    assert torch.equal(stored[0], stored[1].half())
    accuracies = [training_accuracy(extracted.output, path, "bilinear") for path in (half, whole)]
    assert accuracies[0] == accuracies[1] > 0.9


def test_weights_that_float16_would_change_stay_float32_or_are_refused(
    extracted: ExtractReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed = HalfWeight(torch.zeros(3, 4).half(), changed=2, shift=0.25)
    monkeypatch.setattr("birdnet_cli.core.heads.weight_storage.halve_weight", lambda fit, source: noticed)
    notes = Notes()
    automatic = train_head(
        extracted.output, tmp_path / "a.safetensors", pooling="avg", weights="none", settings=QUICK, progress=notes
    )
    assert read_model_file(automatic.output)[1]["head"]["weight"].dtype == torch.float32
    assert notes.lines[-1] == (
        "float16 weights change 2 training predictions, and probabilities by up to 0.25: stored as float32"
    )
    asked = QUICK.model_copy(update={"weight_dtype": "float16"})
    with pytest.raises(NumericsError, match=r"change 2 training predictions.*give --weight-dtype float32, or auto"):
        train_head(extracted.output, tmp_path / "b.safetensors", pooling="avg", weights="none", settings=asked)
    assert not (tmp_path / "b.safetensors").exists()


def test_a_streamed_head_says_so_and_predicts_like_the_exact_one(extracted: ExtractReport, tmp_path: Path) -> None:
    notes = Notes()
    streamed = train_head(
        extracted.output, tmp_path / "s.safetensors", pooling="bilinear", weights="none", progress=notes,
        settings=HeadSettings(C=100.0, cv=3, solver="streamed"),
    )  # fmt: skip
    assert streamed.fit.solver == read_description(streamed.output).head["solver"] == "streamed"
    assert notes.lines[0].startswith("24 images x 8,256 values: the head is solved in passes over the cache")
    assert training_accuracy(extracted.output, streamed.output, "bilinear") > 0.9


def test_groups_are_kept_together_in_cross_validation(
    extracted: ExtractReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = tmp_path / "groups.csv"
    with FeatureCache.open(extracted.output) as cache:
        groups.write_text("path,site\n" + "".join(f"{name},{name[-5]}\n" for name in cache.names))
        sites = [name[-5] for name, split in zip(cache.names, cache.splits, strict=True) if split == "train"]
    seen: list[NDArray[np.int64]] = []

    def watched(labels: NDArray[np.int64], members: NDArray[np.int64], **draw: int) -> NDArray[np.int64]:
        seen.append(members)
        return grouped_folds(labels, members, **draw)

    monkeypatch.setattr("birdnet_cli.core.heads.fit.grouped_folds", watched)
    train_head(
        extracted.output, tmp_path / "m.safetensors", pooling="avg", weights="none", groups=groups,
        group_column="site", settings=HeadSettings(C=1.0, cv=2),
    )  # fmt: skip
    assert len({*zip(seen[0].tolist(), sites, strict=True)}) == len(set(sites)) == 8
    assert read_description(tmp_path / "m.safetensors").head["grouped_by"] == "site"


def test_groups_of_other_images_are_refused(extracted: ExtractReport, tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("path,group\nelsewhere.png,1\n")
    with pytest.raises(DataError, match="has no row for 24 of 24 training images"):
        train_head(
            extracted.output, tmp_path / "m.safetensors", pooling="avg", weights="none",
            groups=tmp_path / "groups.csv",
        )  # fmt: skip


def test_a_device_that_is_absent_is_refused(extracted: ExtractReport, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"device": "cuda:99"})
    with pytest.raises(UsageError, match="device 'cuda:99'"):
        train_head(extracted.output, tmp_path / "m.safetensors", pooling="avg", weights="none", settings=settings)
