"""Feature caches of earlier versions."""

import shlex
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from birdnet_cli import FeatureCache
from tests.cli.command_line import Finished
from tests.compat.answers import digest_rows
from tests.compat.recorded import EXPECTED, each

CACHES = each("descriptors")


@pytest.mark.parametrize(("version", "name"), CACHES)
def test_every_row_reads_as_it_was_written(version: str, name: str, copied: Callable[[str], Path]) -> None:
    file = copied(version) / name
    recorded = EXPECTED[version]["descriptors"][name]
    assert digest_rows(file) == recorded
    with h5py.File(file) as stored:
        rows = {descriptor: values[:].astype(np.float32) for descriptor, values in stored["features"].items()}
        texts = {column: tuple(stored[column].asstr()) for column in ("path", "split", "classes", "error")}
        numbers = {column: stored[column][:] for column in ("label", "status", "sha256")}
    with FeatureCache.open(file) as cache:
        assert cache.descriptors == {descriptor: values.shape[1] for descriptor, values in rows.items()}
        for descriptor, values in rows.items():
            ((_, found),) = cache.blocks(descriptor, verify=True)
            assert np.array_equal(found, values)
        assert (cache.names, cache.splits, cache.classes, cache.errors) == tuple(texts.values())
        for found, values in zip((cache.labels, cache.status, cache.sha256), numbers.values(), strict=True):
            assert np.array_equal(found, values)


@pytest.mark.parametrize(("version", "name"), CACHES)
def test_the_same_extraction_is_finished_already(
    version: str, name: str, copied: Callable[[str], Path], fbn: Callable[..., Finished]
) -> None:
    file = copied(version) / name
    before = file.stat()
    done = fbn(*shlex.split(EXPECTED[version]["commands"][name]))
    assert done.code == 3, done.err  # its torn image is still reported
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("version", EXPECTED)
def test_a_damaged_row_is_computed_again(
    version: str, copied: Callable[[str], Path], fbn: Callable[..., Finished]
) -> None:
    file = copied(version) / "half.h5"
    whole, rows = file.read_bytes(), digest_rows(file)
    with h5py.File(file) as stored:
        place = stored["features/max"].id.get_chunk_info(0).byte_offset
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    assert fbn("cache", "verify", file).code == 1
    # Sums of these weights are exact, so that every machine computes the same maximum.
    done = fbn("cache", "verify", file, "--repair", "images.csv", "--weights", "weights.safetensors")
    assert done.code == 0, done.err
    assert digest_rows(file) == rows
