"""The text of a list, and the files that its entries name."""

import os
from pathlib import Path

import pytest

from birdnet_cli.core.data.list_file import locate_listed, read_list
from birdnet_cli.core.errors import DataError


def test_text_is_kept_but_for_the_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa\r\n\xef\xbb\xbfb \n")
    assert read_list(tmp_path / "list.txt") == "a\r\n\ufeffb \n"


def test_bytes_that_are_not_utf8_come_back_as_the_system_spells_them(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.jpg")
    assert read_list(tmp_path / "list.txt") == os.fsdecode(b"caf\xe9.jpg")


def test_list_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt: the list cannot be read: No such file or directory"):
        read_list(tmp_path / "none.txt")
    with pytest.raises(DataError, match="the list cannot be read: Is a directory"):
        read_list(tmp_path)


@pytest.mark.parametrize(
    ("text", "name"),
    [("a.jpg", "a.jpg"), ("./b//c.jpg", "b/c.jpg"), (" a .jpg", " a .jpg"), ("a..b/...jpg", "a..b/...jpg")],
)
def test_entry_is_a_file_below_the_folder(text: str, name: str) -> None:
    assert locate_listed(Path("/data"), text, where="list.csv, line 2") == (Path("/data", name), name)


@pytest.mark.parametrize("text", ["", ".", "/etc/passwd", "..", "a/../b.jpg", "a\0.jpg"])
def test_entry_that_is_no_path_below_the_folder_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"^list\.csv, line 2: the path .* must be relative and stay inside /data"):
        locate_listed(Path("/data"), text, where="list.csv, line 2")
