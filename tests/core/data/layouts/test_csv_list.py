"""CSV lists of `path,label[,split]`."""

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from birdnet_cli.core.data import ImageDataset, open_dataset
from birdnet_cli.core.errors import DataError


def open_text(folder: Path, text: str | bytes) -> ImageDataset:
    path = folder / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return open_dataset(path)


def rows(dataset: ImageDataset) -> list[tuple[str, str, str]]:
    return [(sample.name, dataset.classes[sample.label], sample.split) for sample in dataset.samples]


def test_rows_become_samples_sorted_by_name_with_sorted_classes(tmp_path: Path) -> None:
    dataset = open_text(tmp_path, "path,label,split\nz.jpg,wren,train\nb/a.jpg,auk,train\na.jpg,wren,test\n")
    assert dataset.format == "csv"
    assert dataset.root == tmp_path
    assert dataset.classes == ("auk", "wren")
    assert rows(dataset) == [("a.jpg", "wren", "test"), ("b/a.jpg", "auk", "train"), ("z.jpg", "wren", "train")]
    assert dataset.samples[1].path == tmp_path / "b" / "a.jpg"


def test_without_a_split_column_every_image_is_a_training_image(tmp_path: Path) -> None:
    assert rows(open_text(tmp_path, "path,label\na.jpg,wren\n")) == [("a.jpg", "wren", "train")]


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_validation_may_be_spelt_in_three_ways(tmp_path: Path, name: str) -> None:
    dataset = open_text(tmp_path, f"path,label,split\na.jpg,wren,train\nb.jpg,wren,{name}\n")
    assert dataset.samples[1].split == "val"


def test_columns_come_in_any_order_and_others_are_ignored(tmp_path: Path) -> None:
    dataset = open_text(tmp_path, "sex,split, Label ,path\nm,test,wren,b.jpg\nf,train,wren,a.jpg\n")
    assert rows(dataset) == [("a.jpg", "wren", "train"), ("b.jpg", "wren", "test")]


@pytest.mark.parametrize(
    "text",
    [
        b"path,label,split\r\na.jpg,wren,train\r\n",
        b"path,label,split\ra.jpg,wren,train\r",
        b"\xef\xbb\xbfpath,label,split\na.jpg,wren,train\n",
        b"path,label,split \na.jpg,wren ,train \t\n",
        b"path,label,split\n\na.jpg,wren,train\n \n,,\n",
        b"path,label,split\na.jpg,wren,train",
    ],
    ids=["crlf", "cr", "bom", "trailing blanks", "blank lines", "no last newline"],
)
def test_line_ends_bom_and_blanks_change_nothing(tmp_path: Path, text: bytes) -> None:
    assert rows(open_text(tmp_path, text)) == [("a.jpg", "wren", "train")]


def test_quoted_values_hold_commas_newlines_and_quotes(tmp_path: Path) -> None:
    dataset = open_text(tmp_path, 'path,label\n"a,\n""b"".jpg","wren, Eurasian"\n')
    assert rows(dataset) == [('a,\n"b".jpg', "wren, Eurasian", "train")]


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    (tmp_path / "\udcff.jpg").write_bytes(b"12")
    dataset = open_text(tmp_path, b"path,label\n\xff.jpg,wren\n")
    assert dataset.samples[0].name == "\udcff.jpg"
    assert dataset.samples[0].size == 2


@pytest.mark.parametrize("text", ["", "a.jpg,wren\n", "path,split\na.jpg,train\n", "path;label\na.jpg;wren\n"])
def test_missing_header_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"the first line must name the columns path,label\[,split\]; it is '"):
        open_text(tmp_path, text)


def test_repeated_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the first line names the column 'label' twice"):
        open_text(tmp_path, "path,label,label\na.jpg,wren,auk\n")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("b.jpg,wren,tset", "expected the split train, val, valid, validation, test; got 'tset'"),
        ("b.jpg,wren,", "expected the split .* got ''"),
        ("b.jpg,,train", "the label is empty"),
        ("b.jpg,wren", "expected 3 values, got 2"),
        ("b,b.jpg,wren,train", "expected 3 values, got 4; a value that holds a comma needs quotes"),
        ("/b.jpg,wren,train", "the path '/b.jpg' must be relative"),
        ("../b.jpg,wren,train", "the path '../b.jpg' must be relative"),
        ("a/../../b.jpg,wren,train", "the path .* must be relative and stay inside"),
        (",wren,train", "the path '' must be relative"),
        ('"b"x.jpg,wren,train', "not CSV"),
    ],
)
def test_damaged_row_is_refused_with_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(DataError, match=rf"list\.csv, line 4: {complaint}"):
        open_text(tmp_path, f"path,label,split\na.jpg,wren,train\n\n{row}\n")


def test_image_listed_twice_is_refused_however_it_is_spelt(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"listed more often: a\.jpg"):
        open_text(tmp_path, "path,label,split\na.jpg,wren,train\n./a.jpg,wren,test\n")


def test_class_that_only_test_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"without a training image.*: auk;"):
        open_text(tmp_path, "path,label,split\na.jpg,wren,train\nb.jpg,auk,test\n")


def test_folder_with_dataset_csv_stands_for_that_file(tmp_path: Path) -> None:
    (tmp_path / "dataset.csv").write_text("path,label\na.jpg,wren\n")
    assert open_dataset(tmp_path) == open_dataset(tmp_path / "dataset.csv")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_as_rows_give_a_data_set_or_a_data_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(DataError):
        assert "c" in open_text(Path(folder), b"path,label,split\na,c,train\n" + content).classes
