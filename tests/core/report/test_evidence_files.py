"""The evidence writer leaves a figure and a map for each image."""

import json
from pathlib import Path

import numpy as np
import pytest

from birdnet_cli.core.engine.predict import predict
from birdnet_cli.core.engine.train_head import train_head
from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model import Model, load_model
from birdnet_cli.core.recipe import HeadSettings
from birdnet_cli.core.report.evidence_files import EvidenceWriter


@pytest.fixture(scope="module")
def model(extracted: ExtractReport, tmp_path_factory: pytest.TempPathFactory) -> Model:
    output = tmp_path_factory.mktemp("model") / "m.safetensors"
    settings = HeadSettings(C=1000.0, calibrate=False)
    train_head(extracted.output, output, pooling="bilinear", settings=settings, weights="none")
    return load_model(output, device="cpu", precision="float32")


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


def test_an_image_predicted_as_the_versus_class_is_explained_by_the_second_class(
    model: Model, textures: Path, tmp_path: Path
) -> None:
    image = textures / "test" / "rings" / "000.png"
    (row,) = predict([image], model, k=3)
    versus = row.top[0].label
    folder = tmp_path / "why"
    list(predict([image], model, k=3, watch=EvidenceWriter(model, folder, versus=versus)))
    line = json.loads((folder / "evidence.jsonl").read_text())
    assert (line["label"], line["versus"]) == (row.top[1].label, versus)
    assert line["logit"] < 0
    with pytest.raises(UsageError, match="-k 2 or more"):
        list(predict([image], model, k=1, watch=EvidenceWriter(model, tmp_path / "k1", versus=versus)))


def test_an_unknown_versus_class_is_refused_with_near_matches(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown class 'ring': did you mean rings"):
        EvidenceWriter(model, tmp_path, versus="ring")


def test_a_folder_with_an_evidence_list_is_refused(model: Model, tmp_path: Path) -> None:
    (tmp_path / "evidence.jsonl").touch()
    with pytest.raises(UsageError, match=r"evidence\.jsonl: exists already"):
        EvidenceWriter(model, tmp_path)
