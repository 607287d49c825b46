"""CUB's numbered lists."""

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from birdnet_cli.core.data import ImageDataset, open_dataset
from birdnet_cli.core.errors import DataError

LISTS = ["images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt", "bounding_boxes.txt"]


def open_cub(root: Path, *, bbox: bool = False) -> ImageDataset:
    return open_dataset(root, format="cub", bbox=bbox)


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_ids_and_class_ids_with_gaps_give_dense_labels_and_splits(cub_root: Path) -> None:
    dataset = open_cub(cub_root)
    assert dataset.classes == ("finch", "wren")
    assert [(sample.name, sample.label, sample.split) for sample in dataset.samples] == [
        ("images/f/one.jpg", 0, "train"),
        ("images/f/two.jpg", 0, "test"),
        ("images/w/one.jpg", 1, "train"),
        ("images/w/two.jpg", 1, "test"),
    ]
    assert all(sample.path.is_file() and sample.box is None for sample in dataset.samples)


def test_samples_follow_the_image_ids_and_classes_the_class_ids(cub_root: Path) -> None:
    expected = open_cub(cub_root)
    for name in LISTS:
        lines = (cub_root / name).read_text().splitlines(keepends=True)
        (cub_root / name).write_text("".join(reversed(lines)))
    assert open_cub(cub_root).samples == expected.samples
    assert open_cub(cub_root).classes == expected.classes


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("old", "new"), [(b"\n", b"\r\n"), (b"\n", b" \t\n"), (b"\n", b"\n\n"), (b" ", b"   ")], ids=str
)
def test_crlf_trailing_blanks_blank_lines_and_wide_gaps_change_nothing(
    cub_root: Path, name: str, old: bytes, new: bytes
) -> None:
    expected = open_cub(cub_root, bbox=True)
    path = cub_root / name
    path.write_bytes(path.read_bytes().replace(old, new))
    assert open_cub(cub_root, bbox=True) == expected


@pytest.mark.parametrize("name", LISTS)
def test_byte_order_mark_changes_nothing(cub_root: Path, name: str) -> None:
    expected = open_cub(cub_root, bbox=True)
    path = cub_root / name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert open_cub(cub_root, bbox=True) == expected


def test_file_names_may_hold_blanks_and_bytes_that_are_not_utf8(cub_root: Path) -> None:
    path = cub_root / "images.txt"
    path.write_bytes(path.read_bytes().replace(b"f/one.jpg", b"f/one \xff.jpg"))
    assert open_cub(cub_root).samples[0].name == "images/f/one \udcff.jpg"


@pytest.mark.parametrize("name", ["image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt"])
def test_lists_that_disagree_are_refused_with_the_ids(cub_root: Path, name: str) -> None:
    path = cub_root / name
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[1:], *(f"{number}{lines[0].removeprefix('3')}" for number in range(20, 27))]))
    with pytest.raises(DataError, match=rf"only in images\.txt: 3; ids only in {name}: 20, 21, 22, 23, 24 and 2 more"):
        open_cub(cub_root, bbox=True)


def test_label_that_classes_txt_lacks_is_refused_with_the_ids(cub_root: Path) -> None:
    (cub_root / "image_class_labels.txt").write_text("3 0\n7 1\n10 5\n11 wren\n")
    with pytest.raises(DataError, match=r"labels that classes\.txt lacks, at ids 7, 11$"):
        open_cub(cub_root)


def test_split_other_than_0_and_1_is_refused_with_the_ids(cub_root: Path) -> None:
    replace_in(cub_root / "train_test_split.txt", "7 0", "7 2")
    with pytest.raises(DataError, match=r"expected 1 \(train\) or 0 \(test\); got other values at ids 7$"):
        open_cub(cub_root)


@pytest.mark.parametrize("line", ["x f/a.jpg", "12", "-1 f/a.jpg", "1_0 f/a.jpg", "٣ f/a.jpg", "9" * 5000 + " f/a.jpg"])
def test_damaged_line_is_refused_with_its_number(cub_root: Path, line: str) -> None:
    path = cub_root / "images.txt"
    path.write_text(path.read_text() + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"images\.txt, line 5: expected `ID VALUE`, got '"):
        open_cub(cub_root)


def test_repeated_id_is_refused_with_its_line(cub_root: Path) -> None:
    replace_in(cub_root / "images.txt", "7 f/two.jpg", "3 f/two.jpg")
    with pytest.raises(DataError, match=r"images\.txt, line 2: id 3 is listed twice"):
        open_cub(cub_root)


def test_two_classes_of_one_name_are_refused(cub_root: Path) -> None:
    (cub_root / "classes.txt").write_text("0 wren\n5 wren\n")
    with pytest.raises(DataError, match="two classes have the same name"):
        open_cub(cub_root)


@pytest.mark.parametrize("file", ["/etc/passwd", "../../etc/passwd", "f/../../../x.jpg", "..", ".", "f/a\0.jpg"])
def test_path_that_leaves_the_images_is_refused(cub_root: Path, file: str) -> None:
    replace_in(cub_root / "images.txt", "f/two.jpg", file)
    with pytest.raises(DataError, match=r"images\.txt, id 7: the path .* must be relative and stay inside"):
        open_cub(cub_root)


def test_classes_without_images_get_no_label(cub_root: Path) -> None:
    (cub_root / "classes.txt").write_text("0 finch\n2 tern\n5 wren\n")
    assert open_cub(cub_root).classes == ("finch", "wren")
    assert open_cub(cub_root).empty_classes == ("tern",)


def test_class_with_test_images_only_is_named(cub_root: Path) -> None:
    replace_in(cub_root / "train_test_split.txt", "10 1", "10 0")
    with pytest.raises(DataError, match=r"without a training image.*: wren;"):
        open_cub(cub_root)


def test_boxes_are_given_only_when_asked_for(cub_root: Path) -> None:
    assert [sample.box for sample in open_cub(cub_root, bbox=True).samples] == [(1.0, 2.0, 5.0, 4.0)] * 4
    (cub_root / "bounding_boxes.txt").unlink()
    assert len(open_cub(cub_root).samples) == 4
    with pytest.raises(DataError, match=r"bounding_boxes\.txt: no such list; open the data set without bounding boxes"):
        open_cub(cub_root, bbox=True)


@pytest.mark.parametrize("box", ["1 2 3", "1 2 3 4 5", "1 2 3 x"])
def test_damaged_box_is_refused_with_its_id(cub_root: Path, box: str) -> None:
    replace_in(cub_root / "bounding_boxes.txt", "10 1.0 2.0 5.0 4.0", f"10 {box}")
    with pytest.raises(DataError, match=r"id 10: expected `X Y WIDTH HEIGHT`"):
        open_cub(cub_root, bbox=True)


def test_box_that_is_not_finite_is_refused(cub_root: Path) -> None:
    replace_in(cub_root / "bounding_boxes.txt", "10 1.0", "10 nan")
    with pytest.raises(DataError, match="id 10: expected finite numbers, got"):
        open_cub(cub_root, bbox=True)


@pytest.mark.parametrize("name", LISTS[:4])
def test_missing_list_is_named(cub_root: Path, name: str) -> None:
    (cub_root / name).unlink()
    with pytest.raises(DataError, match=rf"{name}: the list cannot be read: No such file"):
        open_cub(cub_root)


def test_missing_image_folder_is_named(cub_root: Path) -> None:
    (cub_root / "images").rename(cub_root / "pictures")
    with pytest.raises(DataError, match=r"needs the folder images/"):
        open_cub(cub_root)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=40), min_size=5, max_size=5))
def test_any_bytes_as_lists_give_a_data_set_or_a_data_error(lists: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "images").mkdir()
        for name, prefix, content in zip(LISTS, [b"1 a", b"1 1", b"1 1", b"1 c", b"1 0 0 1 1"], lists, strict=True):
            (root / name).write_bytes(prefix + b"\n" + content)
        with suppress(DataError):
            assert open_cub(root, bbox=True).classes


def test_real_birds_have_the_counts_of_their_lists(shared_data: Path) -> None:
    dataset = open_dataset(shared_data / "CUB_60")
    assert dataset.format == "cub"
    assert dataset.split_sizes() == {"train": 1733, "test": 1800}
    assert len(dataset.classes) == 60
    assert dataset.classes[0] == "001.Black_footed_Albatross"
    assert all(f"images/{dataset.classes[sample.label]}/" in sample.name for sample in dataset.samples)
