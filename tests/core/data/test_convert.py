"""Converting a data set to RecordIO: what is kept, what is encoded anew, and what is refused."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from birdnet_cli.core.data import (
    ImageDataset,
    RecordReader,
    convert_dataset,
    decode_image,
    open_dataset,
    read_sample,
    unpack_image,
)
from birdnet_cli.core.errors import DataError, UsageError

SaveImage = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, save_image: SaveImage) -> Path:
    """Train: two auks, a wren; test: an auk, a wren; PNG and JPEG, no image square."""
    names = ["train/auk/a.png", "train/auk/b.jpg", "train/wren/a.jpg", "test/auk/c.jpg", "test/wren/b.png"]
    for seed, name in enumerate(names):
        save_image(tmp_path / "images" / name, seed=seed, size=(40 + seed, 20 + seed))
    return tmp_path / "images"


@pytest.fixture
def dataset(root: Path) -> ImageDataset:
    return open_dataset(root)


def images(path: Path) -> list[bytes]:
    with RecordReader(path) as reader:
        return [unpack_image(data, start=0, path="").image for data in reader]


def test_folder_of_records_is_the_same_data_set(dataset: ImageDataset, tmp_path: Path) -> None:
    report = convert_dataset(dataset, tmp_path / "out" / "deep")
    assert report.written == {tmp_path / "out" / "deep" / "train.rec": 3, tmp_path / "out" / "deep" / "test.rec": 2}
    assert report.failures == ()
    converted = open_dataset(tmp_path / "out" / "deep")
    assert converted.format == "rec"
    assert converted.classes == dataset.classes
    for split in ("train", "test"):
        before, after = dataset.subset(split).samples, converted.subset(split).samples
        assert [sample.label for sample in after] == [sample.label for sample in before]
        assert [read_sample(sample) for sample in after] == [read_sample(sample) for sample in before]


def test_files_lists_and_classes_are_there_and_nothing_else(dataset: ImageDataset, tmp_path: Path) -> None:
    convert_dataset(dataset, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "classes.txt", "test.idx", "test.lst", "test.rec", "train.idx", "train.lst", "train.rec",
    ]  # fmt: skip
    assert (tmp_path / "out" / "classes.txt").read_text() == "auk\nwren\n"
    assert (tmp_path / "out" / "train.lst").read_text() == (
        "0\t0.000000\ttrain/auk/a.png\n1\t0.000000\ttrain/auk/b.jpg\n2\t1.000000\ttrain/wren/a.jpg\n"
    )
    with RecordReader(tmp_path / "out" / "train.rec") as reader:
        records = [unpack_image(reader.read(number), start=0, path="") for number in range(3)]
    assert [(record.labels, record.id, record.id2, record.vector) for record in records] == [
        ((0.0,), 0, 0, False), ((0.0,), 1, 0, False), ((1.0,), 2, 0, False),
    ]  # fmt: skip


def test_single_file_takes_one_split(dataset: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"birds\.rec: a single file cannot hold the splits train, test; choose a split"
    ):
        convert_dataset(dataset, tmp_path / "birds.rec")
    convert_dataset(dataset.subset("test"), tmp_path / "birds.rec")
    assert images(tmp_path / "birds.rec") == [read_sample(sample) for sample in dataset.subset("test").samples]
    assert open_dataset(tmp_path / "birds.rec").classes == ("auk", "wren")


@pytest.mark.parametrize("workers", [0, 2])
def test_result_is_the_same_every_time_and_with_any_workers(
    dataset: ImageDataset, tmp_path: Path, workers: int
) -> None:
    convert_dataset(dataset, tmp_path / "a", resize=10)
    convert_dataset(dataset, tmp_path / "b", resize=10, workers=workers)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize(("size", "expected"), [((90, 60), (45, 30)), ((20, 47), (30, 70)), ((30, 33), (30, 33))])
def test_shorter_side_gets_the_length_asked_for(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    (tmp_path / "images" / "auk").mkdir(parents=True)
    x, y = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    original = Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))
    original.save(tmp_path / "images" / "auk" / "a.png")
    convert_dataset(open_dataset(tmp_path / "images"), tmp_path / "a.rec", resize=30)
    (stored,) = images(tmp_path / "a.rec")
    scaled = Image.open(io.BytesIO(stored))
    assert (scaled.format, scaled.size) == ("JPEG", expected)
    wanted = np.asarray(original.resize(expected, Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(np.asarray(scaled).astype(int) - wanted).mean() < 2


def test_higher_quality_is_closer_and_larger(dataset: ImageDataset, tmp_path: Path) -> None:
    sizes, errors = [], []
    for quality in (30, 70, 95):
        convert_dataset(dataset.subset("train"), tmp_path / f"{quality}.rec", quality=quality)
        stored = images(tmp_path / f"{quality}.rec")
        sizes.append(sum(map(len, stored)))
        original = np.asarray(decode_image(dataset.samples[2].path)).astype(int)
        errors.append(np.abs(np.asarray(decode_image(stored[0])).astype(int) - original).mean())
    assert dataset.samples[2].name == "train/auk/a.png"
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    convert_dataset(dataset.subset("train"), tmp_path / "default.rec", resize=20)
    convert_dataset(dataset.subset("train"), tmp_path / "same.rec", resize=20, quality=95)
    assert images(tmp_path / "default.rec") == images(tmp_path / "same.rec")


@pytest.mark.parametrize("resize", [None, 12])
def test_turned_image_is_upright_in_either_way(tmp_path: Path, resize: int | None) -> None:
    (tmp_path / "images" / "auk").mkdir(parents=True)
    pixels = np.zeros((24, 36, 3), dtype=np.uint8)
    pixels[:12, :, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "images" / "auk" / "a.jpg"
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    convert_dataset(open_dataset(tmp_path / "images"), tmp_path / "a.rec", resize=resize)
    (stored,) = images(tmp_path / "a.rec")
    upright = decode_image(stored)
    assert upright.size == ((24, 36) if resize is None else (12, 18))
    assert (stored == path.read_bytes()) == (resize is None)
    red = np.asarray(upright)[..., 0].mean(0)
    assert red[: len(red) // 3].max() < 40
    assert red[-len(red) // 3 :].min() > 215


def test_bounding_box_is_cut_out(cub_root: Path, tmp_path: Path) -> None:
    dataset = open_dataset(cub_root, bbox=True)
    convert_dataset(dataset, tmp_path / "out")
    assert {decode_image(image).size for image in images(tmp_path / "out" / "train.rec")} == {(5, 4)}


def test_bad_image_is_fatal_and_leaves_nothing(dataset: ImageDataset, root: Path, tmp_path: Path) -> None:
    (root / "train" / "auk" / "b.jpg").write_bytes(b"text")
    changed = open_dataset(root)
    with pytest.raises(
        DataError,
        match=r"train/auk/b\.jpg: not a JPEG, .*; repair or remove it, or leave such images out with --on-error skip",
    ):
        convert_dataset(changed, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_bad_images_can_be_left_out_and_are_named(root: Path, tmp_path: Path) -> None:
    (root / "train" / "auk" / "b.jpg").write_bytes(b"")
    done: list[int] = []
    report = convert_dataset(open_dataset(root), tmp_path / "out", skip_failures=True, advance=done.append)
    assert report.failures == ("train/auk/b.jpg: zero bytes",)
    assert report.written[tmp_path / "out" / "train.rec"] == 2
    assert sum(done) == 5
    assert (tmp_path / "out" / "train.lst").read_text() == (
        "0\t0.000000\ttrain/auk/a.png\n1\t1.000000\ttrain/wren/a.jpg\n"
    )


def test_image_that_would_grow_beyond_all_bounds_is_named(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "images" / "auk" / "a.png", size=(1000, 1))
    with pytest.raises(DataError, match=r"auk/a\.png: 1000x1 would become 40000x40; a side has at most 32,768 pixels"):
        convert_dataset(open_dataset(tmp_path / "images"), tmp_path / "a.rec", resize=40)


def test_existing_file_needs_overwrite(dataset: ImageDataset, tmp_path: Path) -> None:
    train = dataset.subset("train")
    convert_dataset(train, tmp_path / "a.rec")
    before = (tmp_path / "a.rec").read_bytes()
    with pytest.raises(UsageError, match=r"a\.rec: exists already; choose another name or give --overwrite"):
        convert_dataset(train, tmp_path / "a.rec", resize=10)
    assert (tmp_path / "a.rec").read_bytes() == before
    convert_dataset(train, tmp_path / "a.rec", resize=10, overwrite=True)
    assert (tmp_path / "a.rec").read_bytes() != before


def test_class_list_of_another_data_set_is_never_replaced(dataset: ImageDataset, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("1 auk\n2 wren\n")
    with pytest.raises(
        UsageError, match=r"classes\.txt: the class list of the \.rec files beside it names other classes"
    ):
        convert_dataset(dataset.subset("train"), tmp_path / "a.rec", overwrite=True)
    (tmp_path / "classes.txt").write_text("auk\r\nwren")
    convert_dataset(dataset.subset("train"), tmp_path / "a.rec")
    assert open_dataset(tmp_path / "a.rec").classes == ("auk", "wren")


def test_name_that_the_lists_cannot_hold_is_refused(tmp_path: Path, save_image: SaveImage) -> None:
    save_image(tmp_path / "images" / "auk" / "a\tb.png")
    with pytest.raises(
        DataError, match=r"the name 'auk/a\\tb.png' holds a tab, a line break or a blank at an end; rename"
    ):
        convert_dataset(open_dataset(tmp_path / "images"), tmp_path / "a.rec")
    assert not (tmp_path / "a.rec").exists()


def test_real_birds_are_kept_byte_for_byte(shared_data: Path, tmp_path: Path) -> None:
    dataset = open_dataset(shared_data / "CUB_60")
    first = tuple(sample for sample in dataset.samples if sample.label < 2)
    chosen = ImageDataset(dataset.root, dataset.format, dataset.classes, first)
    convert_dataset(chosen, tmp_path / "out", workers=2)
    converted = open_dataset(tmp_path / "out")
    assert converted.classes == dataset.classes[:2]
    stored = {split: [read_sample(sample) for sample in converted.subset(split).samples] for split in ("train", "test")}
    assert stored == {
        split: [sample.path.read_bytes() for sample in chosen.subset(split).samples] for split in ("train", "test")
    }
