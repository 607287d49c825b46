import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.data import open_dataset
from tests.cli.command_line import Finished
from tests.core.textures import CLASSES

Fbn = Callable[..., Finished]


def test_check_of_a_sound_data_set_finds_nothing(fbn: Fbn, textures: Path) -> None:
    done = fbn("data", "check", textures, "-j", "0")
    assert (done.code, done.out, done.err) == (0, f"{textures}: no problem found\n", "")


def test_check_names_what_would_harm_training_and_exits_with_4(fbn: Fbn, few: Path) -> None:
    rings = few / "train" / "rings"
    (rings / "001.png").write_bytes(b"")
    (few / "test" / "checks" / "000.png").write_bytes((few / "train" / "stripes" / "000.png").read_bytes())
    done = fbn("data", "check", few, "-j", "0")
    assert done.code == 4
    assert done.out.splitlines() == [
        "train/rings/001.png: zero bytes",
        "the same file in several splits: test/checks/000.png, train/stripes/000.png",
        "class rings: 1 usable training images",
    ]


def test_check_as_json_holds_the_problems_and_the_counts(fbn: Fbn, few: Path) -> None:
    (few / "train" / "rings" / "001.png").write_bytes(b"")
    done = fbn("data", "check", few, "-j", "0", "--json")
    assert done.code == 4
    report = json.loads(done.out)
    assert report["failures"] == [["train/rings/001.png", "zero bytes"]]
    assert report["problems"] == ["train/rings/001.png: zero bytes", "class rings: 1 usable training images"]
    assert report["counts"]["train"] == [2, 2, 2]
    assert report["width"] == [40, 40]


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_check_can_name_a_file_that_is_no_utf8(fbn: Fbn, few: Path, options: list[str]) -> None:
    (few / "train" / "rings" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    done = fbn("data", "check", few, "-j", "0", *options)
    assert done.code == 4
    assert "caf\\udce9.png" in done.out


def test_stats_count_without_decoding(fbn: Fbn, few: Path) -> None:
    for image in few.rglob("*.png"):
        image.write_bytes(b"no image")
    done = fbn("data", "stats", few, "--json")
    assert done.code == 0
    assert json.loads(done.out) == {
        "format": "folder",
        "splits": {"train": 6, "test": 3},
        "classes": {name: {"train": 2, "test": 1} for name in CLASSES},
    }


def test_stats_for_people_is_a_table_with_a_sum(fbn: Fbn, few: Path) -> None:
    lines = [line.split() for line in fbn("data", "stats", few).out.splitlines()]
    assert lines == [["class", "train", "test"], *([name, "2", "1"] for name in CLASSES), ["all", "6", "3"]]


def test_a_class_that_is_no_utf8_can_be_counted(fbn: Fbn, few: Path) -> None:
    for split in ("train", "test"):
        (few / split / "rings").rename(few / split / os.fsdecode(b"r\xefngs"))
    assert "r\\udcefngs" in fbn("data", "stats", few).out
    assert "r\udcefngs" in json.loads(fbn("data", "stats", few, "--json").out)["classes"]


def test_a_split_is_a_csv_that_every_command_reads(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    done = fbn("data", "split", few, "-o", "split.csv", "--test", "0.3", "--val", "0.3")
    assert (done.code, done.out) == (0, "split.csv: 3 train, 3 val, 3 test\n")
    dataset = open_dataset(tmp_path / "split.csv")
    assert dataset.classes == CLASSES
    assert dataset.split_sizes() == {"train": 3, "val": 3, "test": 3}
    assert json.loads(fbn("data", "stats", "split.csv", "--json").out)["format"] == "csv"
    assert fbn("extract", "split.csv", "-o", "out.h5", *quick).code == 0
    with FeatureCache.open(tmp_path / "out.h5") as cache:
        assert cache.names == tuple(sample.name for sample in dataset.samples)
        assert cache.splits == tuple(sample.split for sample in dataset.samples)


def test_the_seed_decides_the_split(fbn: Fbn, few: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert fbn("data", "split", few, "-o", f"{name}.csv", "--seed", seed).code == 0
    a, b, c = ((tmp_path / f"{name}.csv").read_text() for name in "abc")
    assert a == b != c


def test_an_existing_csv_needs_overwrite(fbn: Fbn, few: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("precious")
    done = fbn("data", "split", few, "-o", "split.csv")
    assert done.code == 2
    assert "split.csv: exists already" in done.err
    assert (tmp_path / "split.csv").read_text() == "precious"
    assert fbn("data", "split", few, "-o", "split.csv", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "split.csv", "--val", "0.5", "--test", "0.5"], "leave nothing to train on"),
        (["-o", "elsewhere/split.csv"], "so it must lie in"),
    ],
    ids=["nothing left", "elsewhere"],
)
def test_an_invalid_split_is_a_usage_error(
    fbn: Fbn, few: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = fbn("data", "split", few, *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert list(tmp_path.rglob("*.csv")) == []


@pytest.mark.parametrize("command", ["check", "stats"])
def test_a_path_without_a_data_set_is_an_error_with_that_path(fbn: Fbn, tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").mkdir()
    done = fbn("data", command, "empty")
    assert (done.code, done.out) == (1, "")
    assert "empty" in done.err


def test_an_audit_is_a_table_json_and_two_files(fbn: Fbn, cache: Path, textures: Path, tmp_path: Path) -> None:
    done = fbn("data", "audit", cache, "--pooling", "avg", "-o", "audit", "--images", textures, "-q")
    assert done.code == 0, done.err
    assert "36 images: " in done.out
    assert "of the labels are predicted by heads that have not seen the image" in done.out
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == ["audit.csv", "audit.html"]
    document = json.loads(fbn("data", "audit", cache, "--pooling", "avg", "--json", "-q").out)
    assert document["counts"].keys() == {"label", "duplicate", "near-duplicate", "outlier"}
    assert len(document["findings"]) == sum(document["counts"].values())


def test_an_audit_shows_at_most_the_asked_number_of_each_kind(fbn: Fbn, cache: Path) -> None:
    done = fbn("data", "audit", cache, "--pooling", "avg", "--near", "0.1", "--most", "2", "-q")
    assert sum(line.startswith("near-duplicate") for line in done.out.splitlines()) == 2
    assert fbn("data", "audit", cache, "--pooling", "avg", "--near", "7").code == 2
