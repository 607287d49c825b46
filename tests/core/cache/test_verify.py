import shutil

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import DamagedRow, FeatureCache, replace_rows, verify_cache
from birdnet_cli.core.cache.columns import checksum
from birdnet_cli.core.cache.stored_rows import row_crcs
from birdnet_cli.core.errors import CacheError, NumericsError, UnknownNameError


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copy(finished, tmp_path / "feats.h5")


def flip(path, key: str, row: int, *, bit: int = 0) -> None:
    """Flip one bit in the last byte of a stored row."""
    with h5py.File(path, "r") as file:
        dataset = file[key]
        row_bytes = dataset.dtype.itemsize * (dataset.shape[1] if dataset.ndim == 2 else 1)
        if dataset.chunks is None:
            offset = dataset.id.get_offset() + row * row_bytes
        else:
            index, within = divmod(row, dataset.chunks[0])
            start = dataset.id.get_chunk_info_by_coord((index * dataset.chunks[0], 0)).byte_offset
            offset = start + within * row_bytes
    data = bytearray(path.read_bytes())
    data[offset + row_bytes - 1] ^= 1 << bit
    path.write_bytes(data)


def test_a_whole_cache_has_no_damaged_rows_and_every_row_is_counted(finished):
    counts = []
    assert verify_cache(finished, on_rows=counts.append) == []
    assert sum(counts) == 3 * 1100


@pytest.mark.parametrize(("descriptor", "row", "bit"), [("max", 0, 0), ("bilinear", 1099, 7), ("chosen", 513, 3)])
def test_one_flipped_bit_names_the_row_and_the_image(copy, extraction, descriptor, row, bit):
    flip(copy, f"features/{descriptor}", row, bit=bit)
    assert verify_cache(copy) == [DamagedRow(descriptor, row, extraction.plan.names[row])]
    with FeatureCache.open(copy) as cache:
        list(cache.blocks(descriptor, np.delete(np.arange(1100), row), verify=True))
        with pytest.raises(CacheError, match=rf"row {row} of '/features/{descriptor}' does not match its checksum"):
            list(cache.blocks(descriptor, verify=True))


@pytest.mark.parametrize("key", ["path", "label", "split", "status", "error", "sha256", "crc32/max"])
def test_one_flipped_bit_in_a_column_is_found(copy, key):
    flip(copy, key, 3)
    with pytest.raises(CacheError, match=f"column '/{key}' does not match its checksum"):
        verify_cache(copy)


def test_one_flipped_bit_in_the_state_is_found(copy):
    flip(copy, "state/bilinear/mean", 2)
    with pytest.raises(CacheError, match="column '/state/bilinear/mean' does not match its checksum"):
        verify_cache(copy)


def test_a_damaged_compressed_chunk_names_all_its_rows(make_extraction, tmp_path):
    out = make_extraction(600).run(tmp_path / "feats.h5", compress=True)
    with h5py.File(out, "r") as file:
        info = file["features/bilinear"].id.get_chunk_info_by_coord((64, 0))
    data = bytearray(out.read_bytes())
    data[info.byte_offset + info.size // 2] ^= 4
    out.write_bytes(data)
    assert [(damage.descriptor, damage.row) for damage in verify_cache(out)] == [
        ("bilinear", row) for row in range(64, 128)
    ]


def test_values_that_are_not_finite_are_damage_whatever_their_checksum(copy):
    with h5py.File(copy, "r+") as file:
        file["features/max"][9, 0] = np.inf
        crcs = file["crc32/max"][:]
        crcs[9] = row_crcs(file["features/max"][9:10])[0]
        file["crc32/max"][:] = crcs
        file["crc32/max"].attrs["crc32"] = checksum(crcs)
    assert [(damage.descriptor, damage.row) for damage in verify_cache(copy)] == [("max", 9)]


@pytest.mark.parametrize("compress", [False, True])
def test_replaced_rows_repair_the_file_to_the_last_bit(extraction, tmp_path, read_datasets, compress):
    out = extraction.run(tmp_path / "feats.h5", compress=compress)
    whole = read_datasets(out)
    with h5py.File(out, "r") as file:
        info = file["features/bilinear"].id.get_chunk_info_by_coord((512, 0))
    data = bytearray(out.read_bytes())
    data[info.byte_offset + info.size // 2] ^= 1
    out.write_bytes(data)
    damaged = verify_cache(out)
    assert damaged
    values = np.concatenate([np.nan_to_num(extraction.features(index)["bilinear"]) for index in range(3)])
    replace_rows(out, {"bilinear": {damage.row: values[damage.row] for damage in damaged}})
    assert verify_cache(out) == []
    assert read_datasets(out) == whole
    assert [path.name for path in tmp_path.iterdir()] == ["feats.h5"]


def test_damage_that_is_not_replaced_is_still_found(copy, extraction):
    flip(copy, "features/max", 100)
    flip(copy, "features/max", 101)
    replace_rows(copy, {"max": {100: extraction.expected("max")[100]}})
    assert [damage.row for damage in verify_cache(copy)] == [101]


def test_unusable_rows_are_refused_and_the_file_stays(copy, extraction):
    before = copy.read_bytes()
    name = extraction.plan.names[6]
    bad = np.full(40, np.nan, np.float32)
    with pytest.raises(NumericsError, match=f"^{name}: its descriptor 'max' is not finite"):
        replace_rows(copy, {"max": {6: bad}})
    for rows in ({1100: np.zeros(40)}, {-1: np.zeros(40)}, {0: np.zeros(41)}):
        with pytest.raises(CacheError, match="row"):
            replace_rows(copy, {"max": rows})
    with pytest.raises(UnknownNameError):
        replace_rows(copy, {"min": {}})
    assert copy.read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == ["feats.h5"]
