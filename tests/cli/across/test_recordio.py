"""RecordIO in every command: what is converted gives what the folder gives."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.data import open_dataset, read_sample
from tests.cli.command_line import Finished, json_rows
from tests.core.textures import CLASSES, flip_byte

Fbn = Callable[..., Finished]


@pytest.fixture
def records(fbn: Fbn, few: Path, tmp_path: Path) -> Path:
    """The images of `few`, as RecordIO."""
    assert fbn("data", "convert", few, "records", "-j", "0", "-q").code == 0
    return tmp_path / "records"


def features(path: Path) -> dict[bytes, tuple[int, str, bytes]]:
    """Return label, split and descriptor of each image, by the SHA-256 of its file."""
    with FeatureCache.open(path) as cache:
        rows = np.concatenate([block for _, block in cache.blocks("avg", np.arange(cache.rows))])
        return {
            cache.sha256[row].tobytes(): (int(cache.labels[row]), cache.splits[row], rows[row].tobytes())
            for row in range(cache.rows)
        }


def test_convert_says_what_it_wrote(fbn: Fbn, few: Path, tmp_path: Path) -> None:
    done = fbn("data", "convert", few, "out", "-j", "0")
    assert (done.code, done.out) == (0, "out/train.rec: 6 images\nout/test.rec: 3 images\n")
    assert (tmp_path / "out" / "classes.txt").read_text().split() == list(CLASSES)


def test_convert_takes_one_split_into_one_file(fbn: Fbn, few: Path, tmp_path: Path) -> None:
    done = fbn("data", "convert", few, "test.rec", "--split", "test", "--resize", "20", "--quality", "80", "-j", "0")
    assert (done.code, done.out) == (0, "test.rec: 3 images\n")
    assert json.loads(fbn("data", "check", "test.rec", "-j", "0", "--json").out)["height"] == [20, 20]
    assert fbn("data", "convert", few, "all.rec", "-j", "0").code == 2


def test_convert_lists_and_skips_images_that_cannot_be_read(fbn: Fbn, few: Path, tmp_path: Path) -> None:
    (few / "train" / "rings" / "001.png").write_bytes(b"")
    done = fbn("data", "convert", few, "out", "-j", "0", "-q")
    assert done.code == 1
    assert "train/rings/001.png: zero bytes" in done.err
    assert not list((tmp_path / "out").iterdir())
    done = fbn("data", "convert", few, "out", "-j", "0", "-q", "--on-error", "skip")
    assert (done.code, done.out) == (3, "out/train.rec: 5 images\nout/test.rec: 3 images\n")
    assert "train/rings/001.png: zero bytes" in done.err
    assert fbn("data", "convert", few, "out", "-j", "0", "-q").code == 2
    assert fbn("data", "convert", few, "out", "-j", "0", "-q", "--on-error", "skip", "--overwrite").code == 3


@pytest.mark.parametrize("option", [["--resize", "0"], ["--quality", "101"], ["--quality", "high"], ["--split", "all"]])
def test_convert_refuses_options_that_make_no_sense(fbn: Fbn, few: Path, option: list[str], tmp_path: Path) -> None:
    assert fbn("data", "convert", few, "out.rec", *option).code in (1, 2)
    assert not list(tmp_path.glob("out*"))


def test_descriptors_of_records_are_those_of_the_folder(fbn: Fbn, few: Path, records: Path, quick: list[str]) -> None:
    assert fbn("extract", few, "-o", "folder.h5", *quick).code == 0
    assert fbn("extract", records, "-o", "records.h5", *quick).code == 0
    assert fbn("extract", records / "train.rec", "-o", "named.h5", "--format", "rec", *quick).code == 0
    expected = features(Path("folder.h5"))
    assert len(expected) == 9
    assert features(Path("records.h5")) == expected
    assert features(Path("named.h5")) == {key: row for key, row in expected.items() if row[1] == "train"}


def test_a_split_of_records_is_extracted_alone(fbn: Fbn, records: Path, quick: list[str]) -> None:
    assert fbn("extract", records, "-o", "out.h5", "--split", "test", *quick).code == 0
    with FeatureCache.open(Path("out.h5")) as cache:
        assert cache.names == ("test.rec#0", "test.rec#1", "test.rec#2")
        assert cache.classes == CLASSES


def test_finished_extraction_of_records_is_kept_and_a_changed_file_is_another(
    fbn: Fbn, records: Path, quick: list[str]
) -> None:
    assert fbn("extract", records, "-o", "out.h5", *quick).code == 0
    assert "finished already" in fbn("extract", records, "-o", "out.h5", *quick).err
    (records / "test.rec").write_bytes((records / "test.rec").read_bytes())
    done = fbn("extract", records, "-o", "out.h5", *quick)
    assert done.code == 1
    assert "data" in done.err


def test_damaged_row_is_computed_again_from_its_record(fbn: Fbn, records: Path, quick: list[str]) -> None:
    assert fbn("extract", records, "-o", "out.h5", *quick).code == 0
    before = features(Path("out.h5"))
    flip_byte(Path("out.h5"), "avg", 4)
    assert fbn("cache", "verify", "out.h5").code == 1
    done = fbn("cache", "verify", "out.h5", "--repair", records, "--weights", "none")
    assert done.code == 0, done.err
    assert features(Path("out.h5")) == before


def test_record_that_cannot_be_decoded_is_listed_by_extract(
    fbn: Fbn, few: Path, records: Path, quick: list[str]
) -> None:
    path = records / "train.rec"
    image = read_sample(open_dataset(records).samples[3])
    path.write_bytes(path.read_bytes().replace(image, b"x" * len(image)))
    done = fbn("extract", records, "-o", "out.h5", *quick)
    assert done.code == 1
    assert "train.rec#3: not a JPEG, PNG, WebP or BMP image" in done.err
    done = fbn("extract", records, "-o", "out.h5", "--on-error", "skip", *quick)
    assert done.code == 3
    assert "train.rec#3: not a JPEG" in done.err


def test_check_and_stats_know_records(fbn: Fbn, few: Path, records: Path) -> None:
    done = fbn("data", "check", records, "-j", "0")
    assert (done.code, done.out) == (0, f"{records}: no problem found\n")
    assert json.loads(fbn("data", "stats", records, "--json").out) == {
        "format": "rec",
        "splits": {"train": 6, "test": 3},
        "classes": {name: {"train": 2, "test": 1} for name in CLASSES},
    }


def test_check_finds_the_same_image_in_two_record_files(fbn: Fbn, few: Path) -> None:
    (few / "test" / "rings" / "000.png").write_bytes((few / "train" / "rings" / "001.png").read_bytes())
    assert fbn("data", "convert", few, "twice", "-j", "0", "-q").code == 0
    done = fbn("data", "check", "twice", "-j", "0")
    assert done.code == 4
    assert done.out == "the same file in several splits: train.rec#3, test.rec#1\n"


def test_check_names_the_byte_of_a_damaged_record(fbn: Fbn, records: Path) -> None:
    data = (records / "test.rec").read_bytes()
    (records / "test.rec").write_bytes(data[:-4])
    done = fbn("data", "check", records)
    assert (done.code, done.out) == (1, "")
    assert f"{records / 'test.rec'}: byte " in done.err
    assert done.err.rstrip().endswith("truncated or damaged")
    assert len(done.err.splitlines()) == 1


def test_a_split_of_records_is_a_csv_that_every_command_reads(fbn: Fbn, records: Path, quick: list[str]) -> None:
    done = fbn("data", "split", records, "-o", "split.csv", "--test", "0.3", "--val", "0.3")
    assert (done.code, done.out) == (0, "split.csv: 3 train, 3 val, 3 test\n")
    lines = Path("split.csv").read_text().splitlines()
    assert lines[1].startswith("records/train.rec#0,checks,")
    assert json.loads(fbn("data", "stats", "split.csv", "--json").out)["splits"] == {"train": 3, "val": 3, "test": 3}
    assert fbn("extract", "split.csv", "-o", "csv.h5", *quick).code == 0
    assert fbn("extract", records, "-o", "records.h5", *quick).code == 0
    whole = features(Path("records.h5"))
    for digest, (label, _, descriptor) in features(Path("csv.h5")).items():
        assert whole[digest][::2] == (label, descriptor)


def test_model_predicts_records_as_it_predicts_files(fbn: Fbn, few: Path, records: Path, model: Path) -> None:
    files = json_rows(fbn("predict", few / "test", "-m", model, "--format", "jsonl", "-q").out)
    done = fbn("predict", "records/test.rec", "-m", model, "--format", "jsonl", "-q")
    assert done.code == 0, done.err
    rows = json_rows(done.out)
    assert [row["path"] for row in rows] == ["records/test.rec#0", "records/test.rec#1", "records/test.rec#2"]
    assert [row["top"] for row in rows] == [row["top"] for row in files]
    (row,) = json_rows(fbn("predict", "records/test.rec#1", "-m", model, "--format", "jsonl", "-q").out)
    assert row["path"] == rows[1]["path"]
    assert [guess["label"] for guess in row["top"]] == [guess["label"] for guess in rows[1]["top"]]


def test_predict_names_a_record_that_cannot_be_read(fbn: Fbn, few: Path, model: Path) -> None:
    assert fbn("data", "convert", few, "out", "-j", "0", "-q").code == 0
    path = Path("out/test.rec")
    image = read_sample(open_dataset(Path("out")).subset("test").samples[1])
    path.write_bytes(path.read_bytes().replace(image, b"x" * len(image)))
    done = fbn("predict", "out/test.rec", "out/absent.rec", "-m", model, "--format", "jsonl", "-q")
    assert done.code == 3
    rows = json_rows(done.out)
    assert [row["status"] for row in rows] == ["ok", "error", "ok", "error"]
    assert [row["path"] for row in rows if row["status"] == "error"] == ["out/test.rec#1", "out/absent.rec"]
    assert rows[3]["error"] == "no such file"
    done = fbn("predict", "out/test.rec#3", "-m", model, "-q")
    assert (done.code, done.out) == (1, "")
    assert "out/test.rec: expected the number of a record, 0 to 2; got 3" in done.err


def test_model_measures_the_same_on_records(fbn: Fbn, few: Path, records: Path, model: Path) -> None:
    for data, out in ((few, "folder.json"), (records, "records.json")):
        done = fbn("evaluate", data, "-m", model, "--json", out, "-j", "0", "-q")
        assert done.code == 0, done.err
    folder, records = (json.loads(Path(name).read_text()) for name in ("folder.json", "records.json"))
    assert (folder.pop("data"), records.pop("data")) == ("few", "records")
    # Each image has another name there.
    assert [row.pop("name") for row in folder["images"]] != [row.pop("name") for row in records["images"]]
    assert records == folder
