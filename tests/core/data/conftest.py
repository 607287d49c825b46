"""Small images and data sets that the data tests build."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from birdnet_cli.core.data import Sample, open_dataset

SaveImage = Callable[..., Path]


@pytest.fixture(scope="session")
def noise() -> Callable[..., np.ndarray]:
    """Make seeded noise of W x H pixels, as bytes."""

    def make(W: int = 7, H: int = 5, *, channels: int = 3) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (H, W, channels), dtype=np.uint8)

    return make


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Return the bytes of an image, or of its pixels, in a format."""

    def run(image: Image.Image | np.ndarray, format: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.save(buffer, format, **options)  # type: ignore[arg-type]
        return buffer.getvalue()

    return run


@pytest.fixture(scope="session")
def raw_png() -> Callable[..., bytes]:
    """Return an RGB PNG of these dimensions, whatever its `rows` hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def run(W: int, H: int, *, depth: int = 8, rows: bytes = b"") -> bytes:
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, depth, 2, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

    return run


@pytest.fixture
def save_image() -> SaveImage:
    """Save an RGB image of seeded noise, in the format that the name asks for, making its folders."""

    def save(path: Path, *, seed: int = 0, size: tuple[int, int] = (12, 10)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, quality=90)
        return path

    return save


@pytest.fixture
def cub_root(tmp_path: Path, save_image: SaveImage) -> Path:
    """A CUB layout: ids 3, 7, 10, 11; class ids 0 (finch) and 5 (wren); 3 and 10 train; boxes given."""
    root = tmp_path / "cub"
    files = {3: "f/one.jpg", 7: "f/two.jpg", 10: "w/one.jpg", 11: "w/two.jpg"}
    for image_id, file in files.items():
        save_image(root / "images" / file, seed=image_id)
    (root / "images.txt").write_text("".join(f"{image_id} {file}\n" for image_id, file in files.items()))
    (root / "image_class_labels.txt").write_text("3 0\n7 0\n10 5\n11 5\n")
    (root / "train_test_split.txt").write_text("3 1\n7 0\n10 1\n11 0\n")
    (root / "classes.txt").write_text("0 finch\n5 wren\n")
    (root / "bounding_boxes.txt").write_text("".join(f"{image_id} 1.0 2.0 5.0 4.0\n" for image_id in files))
    return root


@pytest.fixture
def samples(tmp_path: Path, save_image: SaveImage) -> tuple[Sample, ...]:
    """Eleven images of one class, PNG and JPEG in turn, each one pixel wider than the one before."""
    for number in range(11):
        name = f"images/auk/{number:02}.{'jpg' if number % 2 else 'png'}"
        save_image(tmp_path / name, seed=number, size=(20 + number, 30))
    return open_dataset(tmp_path / "images").samples
