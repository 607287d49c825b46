import hashlib
from pathlib import Path

import pytest

from birdnet_cli.core.ops.native.store import BuiltLibrary, find_built, find_prebuilt, library_name, store_folder


def write_library(folder: Path, content: bytes = b"code") -> BuiltLibrary:
    folder.mkdir(parents=True)
    path = folder / library_name("cpu")
    path.write_bytes(content)
    library = BuiltLibrary(
        path=path, device="cpu", tool="g++ 12", flags=("-O3",), architectures=(), cuda=None, seconds=1.5, log="",
        sha256=hashlib.sha256(b"code").hexdigest(),
    )  # fmt: skip
    library.write_record(folder)
    return library


def test_the_store_is_below_the_cache_folder_of_the_environment(store: Path) -> None:
    assert store_folder() == store


def test_a_library_is_found_at_its_address_as_it_was_recorded(store: Path) -> None:
    library = write_library(store / "abc")
    assert find_built("abc", "cpu") == library
    assert find_built("abc", "cuda") is None
    assert find_built("other", "cpu") is None


def test_a_library_that_a_wheel_brings_is_found_in_its_folder(tmp_path: Path) -> None:
    assert find_prebuilt(tmp_path, "cpu") is None
    assert find_prebuilt(tmp_path / "package", "cpu") is None
    library = write_library(tmp_path / "package")
    assert find_prebuilt(tmp_path / "package", "cpu") == library


def test_a_library_with_another_content_than_recorded_is_not_used(store: Path) -> None:
    write_library(store / "abc", b"codf")
    assert find_built("abc", "cpu") is None


@pytest.mark.parametrize("record", [b"", b"{}", b"[1]", b'{"flags": 1}', b"\xff"])
def test_a_damaged_record_is_no_library(store: Path, record: bytes) -> None:
    write_library(store / "abc")
    (store / "abc" / "_C_cpu.json").write_bytes(record)
    assert find_built("abc", "cpu") is None
