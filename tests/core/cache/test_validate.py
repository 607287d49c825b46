import re
import shutil
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.cache.columns import checksum
from birdnet_cli.core.errors import CacheError

HUGE = 1 << 40


@pytest.fixture
def victim(finished, tmp_path):
    return shutil.copy(finished, tmp_path / "feats.h5")


def replace(file: h5py.File, key: str, **options) -> h5py.Dataset:
    crc = file[key].attrs.get("crc32")
    del file[key]
    dataset = file.create_dataset(key, **options)
    if crc is not None:
        dataset.attrs["crc32"] = crc
    return dataset


def soft_link(file):
    del file["features/max"]
    file["features/max"] = h5py.SoftLink("/features/bilinear")


def external_link(file):
    del file["label"]
    file["label"] = h5py.ExternalLink("/etc/passwd", "/label")


def link_group(file):
    del file["state"]
    file["state"] = h5py.SoftLink("/features")


def unexpected_link(file):
    file["notes"] = h5py.ExternalLink("elsewhere.h5", "/")


def link_in_the_state(file):
    del file["state/bilinear/mean"]
    file["state/bilinear/mean"] = h5py.SoftLink("/label")


def vlen_text(file):
    replace(file, "path", data=["a"] * 1100, dtype=h5py.string_dtype())


def vlen_attribute(file):
    file.attrs["fingerprint"] = "{}"


def object_references(file):
    replace(file, "error", shape=(1100,), dtype=h5py.ref_dtype)


def compound(file):
    replace(file, "label", shape=(1100,), dtype=[("a", "i8"), ("b", "f4")])


def big_endian(file):
    replace(file, "features/max", shape=(1100, 40), chunks=(512, 40), dtype=">f2")


def huge_rows(file):
    replace(file, "status", shape=(HUGE,), dtype="u1", chunks=(4096,))


def huge_rows_never_written(file):
    replace(file, "status", shape=(HUGE,), dtype="u1")


def huge_text(file):
    replace(file, "path", shape=(1100,), dtype="S60000")


def huge_state(file):
    replace(file, "state/bilinear/mean", shape=(HUGE, HUGE), chunks=(1, 4096), dtype="f4")


def overflowing_state(file):
    replace(file, "state/bilinear/mean", shape=(1 << 31, 1 << 31), chunks=(1, 4096), dtype="f4")


def huge_dim(file):
    replace(file, "features/max", shape=(1100, 1 << 25), chunks=(1, 1 << 25), dtype="f2")


def huge_chunks(file):
    replace(file, "features/max", shape=(1100, 40), chunks=(1024, 40), dtype="f2")


def chunks_never_written(file):
    replace(file, "features/max", shape=(1100, 40), chunks=(512, 40), dtype="f2")


def gzipped_and_never_written(file):
    for name, r in (("max", 512), ("bilinear", 64), ("chosen", 512)):
        D = file[f"features/{name}"].shape[1]
        options = {"shuffle": True, "compression": "gzip", "compression_opts": 1}
        replace(file, f"features/{name}", shape=(1100, D), chunks=(r, D), dtype="f2", **options)


def other_filter(file):
    data = file["features/max"][:]
    replace(file, "features/max", data=data, chunks=(512, 40), compression="lzf")


def checksummed(file):
    data = file["features/max"][:]
    replace(file, "features/max", data=data, chunks=(512, 40), fletcher32=True)


def virtual(file):
    layout = h5py.VirtualLayout(shape=(1100, 40), dtype="f2")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(1100, 40))
    del file["features/max"]
    file.create_virtual_dataset("features/max", layout)


def external_storage(file):
    replace(file, "status", shape=(1100,), dtype="u1", external=[("/etc/passwd", 0, 1100)])


def other_version(file):
    file.attrs["format_version"] = np.int64(2)


def broken_json(file):
    file.attrs.create("fingerprint", np.bytes_(b'{"a": '))


def deep_json(file):
    file.attrs.create("fingerprint", np.bytes_(b"[" * 50_000))


def json_that_is_no_mapping(file):
    file.attrs.create("provenance", np.bytes_(b"[1]"))


def group_for_a_dataset(file):
    del file["features/max"]
    file.create_group("features/max")


def dataset_for_a_group(file):
    del file["state"]
    file["state"] = 1


def missing_column(file):
    del file["sha256"]


def missing_checksums(file):
    del file["crc32/max"]


def shorter_column(file):
    replace(file, "label", data=np.zeros(1099, np.int64))


def never_written(file):
    replace(file, "label", shape=(1100,), dtype="i8")


def chunked_column(file):
    replace(file, "label", data=np.zeros(1100, np.int64), chunks=(100,))


def no_rows(file):
    for key in ("path", "split", "error"):
        replace(file, key, shape=(0,), dtype="S4")
    replace(file, "label", shape=(0,), dtype="i8")
    replace(file, "status", shape=(0,), dtype="u1")
    replace(file, "sha256", shape=(0, 32), dtype="u1")
    for name in ("max", "bilinear", "chosen"):
        replace(file, f"crc32/{name}", shape=(0,), dtype="u4")
        replace(file, f"features/{name}", shape=(0, 40), maxshape=(None, 40), chunks=(1, 40), dtype="f2")


def no_descriptors(file):
    for name in ("max", "bilinear", "chosen"):
        del file[f"features/{name}"]


def mixed_types(file):
    replace(file, "features/max", data=np.zeros((1100, 40), np.float32), chunks=(512, 40))


ELSEWHERE = "link to another place"
MUTATIONS = [
    *((mutate, ELSEWHERE) for mutate in (soft_link, external_link, link_group, unexpected_link, link_in_the_state)),
    *((mutate, "has an unexpected type") for mutate in (vlen_text, vlen_attribute, object_references, compound)),
    *((mutate, "is not stored whole") for mutate in (huge_rows, huge_rows_never_written, huge_text, huge_state)),
    *((mutate, "is not stored whole") for mutate in (overflowing_state, never_written, chunked_column)),
    *((mutate, "is not stored whole") for mutate in (chunks_never_written, gzipped_and_never_written)),
    (big_endian, "expected float16 or float32"),
    (huge_dim, "has 33554432 dimensions"),
    *((mutate, "that fbn does not write") for mutate in (huge_chunks, other_filter, checksummed)),
    *((mutate, "stores its values outside this file") for mutate in (virtual, external_storage)),
    (other_version, "format 2, this fbn reads format 1"),
    *((mutate, "not a feature cache, or damaged") for mutate in (broken_json, deep_json)),
    (missing_column, "lacks 'sha256'"),
    (json_that_is_no_mapping, "is not a JSON mapping"),
    (group_for_a_dataset, "is not a dataset"),
    (dataset_for_a_group, "is not a group"),
    (missing_checksums, "lacks 'max'"),
    *((mutate, "holds no rows or no descriptors") for mutate in (no_rows, no_descriptors)),
    (mixed_types, "differ in type or in compression"),
    (shorter_column, "has shape (1099,) instead of (1100,)"),
]


@pytest.mark.parametrize(("mutate", "message"), MUTATIONS, ids=[mutate.__name__ for mutate, _ in MUTATIONS])
def test_a_hostile_file_is_refused_without_a_large_allocation(victim, mutate, message):
    with h5py.File(victim, "r+") as file:
        mutate(file)
    tracemalloc.start()
    with pytest.raises(CacheError, match=rf"^\S*feats\.h5: .*{re.escape(message)}") as caught:
        FeatureCache.open(victim)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    assert "\n" not in str(caught.value)


def test_a_column_longer_than_the_file_is_refused(victim):
    with h5py.File(victim, "r+") as file:
        replace(file, "state/bilinear/mean", data=np.zeros(12_345, np.uint8))
    data = victim.read_bytes()
    size = (12_345).to_bytes(8, "little")
    assert data.count(size) >= 2
    victim.write_bytes(data.replace(size, (1 << 40).to_bytes(8, "little")))
    # Newer HDF5 notices by itself.
    with pytest.raises(
        CacheError, match=r"'/state/bilinear/mean' is not stored whole|or damaged \(.*invalid dataset size"
    ):
        FeatureCache.open(victim)


@pytest.mark.parametrize("part", [0.999, 0.9, 0.5, 0.01])
def test_a_truncated_file_is_refused(victim, part):
    data = victim.read_bytes()
    victim.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(CacheError, match="not a feature cache, or damaged"):
        FeatureCache.open(victim)


@pytest.mark.parametrize("content", [b"", b"label,split\n", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(5000)])
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "feats.h5"
    path.write_bytes(content)
    with pytest.raises(CacheError, match="not a feature cache, or damaged"):
        FeatureCache.open(path)


def test_hdf5_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "feats.h5"
    with h5py.File(path, "w") as file:
        file["features"] = np.zeros((3, 4))
    with pytest.raises(CacheError, match="not a feature cache, or damaged"):
        FeatureCache.open(path)


def test_a_chunk_that_decompresses_to_a_gigabyte_is_refused_at_its_size(make_extraction, tmp_path):
    out = make_extraction(600).run(tmp_path / "feats.h5", compress=True)
    bomb = zlib.compress(bytes(200_000_000), level=9)
    with h5py.File(out, "r+") as file:
        file["features/bilinear"].id.write_direct_chunk((64, 0), bomb[: 1301 * 2 * 64])
        file["features/max"].id.write_direct_chunk((0, 0), bytes(10_000_000))
    with FeatureCache.open(out) as cache:
        tracemalloc.start()
        with pytest.raises(CacheError, match=r"rows 64 to 127 of /features/bilinear cannot be read"):
            list(cache.blocks("bilinear", slice(70, 71)))
        with pytest.raises(
            CacheError, match="rows 0 to 511 of /features/max are not stored as this format stores them"
        ):
            list(cache.blocks("max", slice(0, 1)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 5_000_000


def test_a_column_that_lies_about_its_size_never_reads_beyond_the_file(victim):
    with h5py.File(victim, "r") as file:
        offset = file["label"].id.get_offset()
    data = bytearray(victim.read_bytes())
    address = data.index(offset.to_bytes(8, "little") + (8 * 1100).to_bytes(8, "little"))
    data[address : address + 8] = (len(data) - 100).to_bytes(8, "little")
    victim.write_bytes(data)
    with pytest.raises(CacheError, match=r"feats\.h5"), FeatureCache.open(victim) as cache:
        _ = cache.labels


def test_a_whole_file_of_this_format_passes(finished):
    with FeatureCache.open(finished) as cache:
        assert cache.column("crc32/max").dtype == np.uint32
        assert checksum(cache.labels) == checksum(cache.column("label"))
