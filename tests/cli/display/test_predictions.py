import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from birdnet_cli.core.data import Batch, Sample
from birdnet_cli.core.model import Model, Prediction, read_model_file, write_model_file
from tests.cli.command_line import Finished, json_rows
from tests.core.textures import CLASSES

Fbn = Callable[..., Finished]
COLUMNS = ["path", "status", "error", "rank", "label", "index", "prob", "model"]


def test_json_is_one_array_of_rows_in_order(fbn: Fbn, model: Path, photos: Path) -> None:
    done = fbn("predict", "photos", "-m", model, "--format", "json", "-k", "2")
    assert done.code == 3
    first, second, third = json.loads(done.out)
    assert [row["path"] for row in (first, second, third)] == [
        "photos/a.png", "photos/b, or not.png", "photos/c.png",
    ]  # fmt: skip
    assert set(first) == {"path", "status", "error", "top", "model"}
    assert (first["status"], first["error"], first["model"]) == ("ok", None, "m.safetensors")
    assert [set(guess) for guess in first["top"]] == [{"label", "index", "prob"}] * 2
    assert CLASSES[first["top"][0]["index"]] == first["top"][0]["label"]
    assert 1 >= first["top"][0]["prob"] >= first["top"][1]["prob"] >= 0
    assert (second["status"], second["top"]) == ("error", [])
    assert "not a JPEG" in second["error"]
    assert third["top"] == first["top"]


def test_json_lines_are_one_object_per_line(fbn: Fbn, model: Path, photos: Path) -> None:
    done = fbn("predict", "photos", "-m", model, "--format", "jsonl")
    assert done.code == 3
    assert json_rows(done.out) == json.loads(fbn("predict", "photos", "-m", model, "--format", "json").out)


def test_csv_has_a_line_per_guess_and_one_per_failure(fbn: Fbn, model: Path, photos: Path) -> None:
    done = fbn("predict", "photos", "-m", model, "--format", "csv", "-k", "2")
    header, *rows = csv.reader(io.StringIO(done.out))
    assert header == COLUMNS
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("photos/a.png", "ok", "1"), ("photos/a.png", "ok", "2"), ("photos/b, or not.png", "error", ""),
        ("photos/c.png", "ok", "1"), ("photos/c.png", "ok", "2"),
    ]  # fmt: skip
    (expected, *_) = json.loads(fbn("predict", "photos", "-m", model, "--format", "json").out)
    for row, guess in zip(rows, expected["top"][:2], strict=False):
        assert (row[4], int(row[5])) == (guess["label"], guess["index"])
        assert float(row[6]) == pytest.approx(guess["prob"], abs=1e-6)
    assert "not a JPEG" in rows[2][2]
    assert rows[2][4:7] == ["", "", ""]


def test_the_table_shows_every_image_its_names_and_its_error(fbn: Fbn, model: Path, photos: Path) -> None:
    done = fbn("predict", "photos", "-m", model)
    lines = done.out.splitlines()
    assert lines[0].split() == ["image", "name", "probability"]
    assert len(lines) == 1 + 3 + 1 + 3
    assert lines[1].startswith("photos/a.png")
    assert lines[1].rstrip().endswith("%")
    (failed,) = [line for line in lines if "b, or not.png" in line]
    assert "error: not a JPEG" in failed


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_an_output_file_holds_what_stdout_would(fbn: Fbn, model: Path, photos: Path, tmp_path: Path, form: str) -> None:
    shown = fbn("predict", "photos", "-m", model, "--format", form)
    written = fbn("predict", "photos", "-m", model, "--format", form, "-o", "rows")
    assert (written.code, written.out) == (3, "")
    assert (tmp_path / "rows").read_text() == shown.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors", "photos", "rows"]


def test_a_failure_midway_leaves_the_old_output_whole(
    fbn: Fbn, model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Model.rows

    def break_off(self: Model, samples: Sequence[Sample], batch: Batch, k: int) -> list[Prediction]:
        if batch.indices == [1]:
            raise OSError("the disk is gone")
        return rows(self, samples, batch, k)

    monkeypatch.setattr(Model, "rows", break_off)
    (tmp_path / "rows.csv").write_text("old")
    done = fbn("predict", "photos", "-m", model, "--format", "csv", "-o", "rows.csv", "-b", "1")
    assert (done.code, done.err) == (1, "error: the disk is gone\n")
    assert (tmp_path / "rows.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors", "photos", "rows.csv"]


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_any_name_can_be_written_in_any_format(fbn: Fbn, model: Path, photos: Path, tmp_path: Path, form: str) -> None:
    (photos / "a.png").rename(photos / os.fsdecode(b"caf\xe9.png"))
    (photos / "b, or not.png").rename(photos / os.fsdecode(b"b\xff.png"))
    done = fbn("predict", "photos", "-m", model, "--format", form)
    assert done.code == 3
    assert "caf\\udce9.png" in done.out
    assert fbn("predict", "photos", "-m", model, "--format", form, "-o", "rows").code == 3
    assert "caf\\udce9.png" in (tmp_path / "rows").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_a_class_whose_name_is_no_utf8_can_be_named(fbn: Fbn, model: Path, photos: Path, form: str) -> None:
    description, tensors = read_model_file(model)
    classes = tuple(f"{name}\udce9" for name in description.classes)
    write_model_file(model, replace(description, classes=classes), tensors)
    done = fbn("predict", "photos/a.png", "-m", model, "--format", form)
    assert done.code == 0
    assert all(f"{name}\\udce9" in done.out for name in CLASSES)
    assert fbn("predict", "photos/a.png", "-m", model, "--format", form, "-o", "rows").code == 0
