import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from tests.cli.command_line import Finished
from tests.core.textures import flip_byte

Fbn = Callable[..., Finished]


def test_info_says_what_a_cache_holds(fbn: Fbn, cache: Path, textures: Path) -> None:
    done = fbn("cache", "info", cache, "--json")
    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    assert report["file"] == str(cache)
    assert report["bytes"] == cache.stat().st_size
    assert (report["images"], report["failed"], report["classes"]) == (36, 0, 3)
    assert report["splits"] == {"train": 24, "test": 12}
    assert report["descriptors"] == {"avg": 128, "bilinear-variance50": 50, "max": 128}
    assert report["fingerprint"]["backbone"] == "vgg16"
    assert report["provenance"]["software"].keys() >= {"fbn", "torch"}


def test_info_for_people_names_nested_fields_with_dots(fbn: Fbn, cache: Path) -> None:
    lines = fbn("cache", "info", cache).out.splitlines()
    rows = dict(line.split(maxsplit=1) for line in lines)
    assert rows["images"].strip() == "36"
    assert rows["descriptors.max"].strip() == "128"
    assert rows["fingerprint.transform.image_size"].strip() == "32"


def test_a_whole_cache_verifies(fbn: Fbn, cache: Path) -> None:
    done = fbn("cache", "verify", cache)
    assert (done.code, done.out) == (0, f"{cache}: every row matches its CRC32\n")


def test_a_damaged_row_is_named_and_the_exit_code_is_1_until_it_is_repaired(
    fbn: Fbn, cache: Path, textures: Path
) -> None:
    flip_byte(cache, "max", 35)
    done = fbn("cache", "verify", cache)
    assert done.code == 1
    assert done.out == "damaged: max row 35 (train/stripes/007.png)\n"
    repaired = fbn("cache", "verify", cache, "--repair", textures, "--weights", "none")
    assert repaired.code == 0, repaired.err
    assert repaired.out.splitlines()[-1] == f"{cache}: 1 damaged rows recomputed"
    assert fbn("cache", "verify", cache).code == 0


def test_repair_from_another_data_set_is_refused(fbn: Fbn, cache: Path, few: Path) -> None:
    flip_byte(cache, "max", 35)
    done = fbn("cache", "verify", cache, "--repair", few, "--weights", "none")
    assert done.code == 1
    assert "has no image train/stripes/007.png; give the data set that was extracted" in done.err


def test_a_damaged_row_whose_name_is_no_utf8_is_named(fbn: Fbn, few: Path, quick: list[str], tmp_path: Path) -> None:
    (few / "train" / "rings" / "000.png").rename(few / "train" / "rings" / os.fsdecode(b"caf\xe9.png"))
    assert fbn("extract", few, "-o", "few.h5", *quick).code == 0
    with h5py.File(tmp_path / "few.h5") as file:
        row = file["path"][()].tolist().index(b"train/rings/caf\xe9.png")
    flip_byte(tmp_path / "few.h5", "avg", row)
    done = fbn("cache", "verify", "few.h5")
    assert (done.code, done.out) == (1, f"damaged: avg row {row} (train/rings/caf\\udce9.png)\n")


@pytest.mark.parametrize("command", ["info", "verify"])
@pytest.mark.parametrize("kept", [0, 7, 2000])
def test_a_truncated_cache_is_an_error_with_its_path(fbn: Fbn, cache: Path, command: str, kept: int) -> None:
    cache.write_bytes(cache.read_bytes()[:kept])
    done = fbn("cache", command, cache)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {cache}: ")
    assert done.err.count("\n") == 1
