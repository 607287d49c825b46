"""What the commands of `tests/compat` read: images of three classes, many tiny ones in a RecordIO file, weights."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

__all__ = ["set_times", "write_images", "write_tiny_images", "write_weights"]

WHEN = 1_760_000_000
CLASSES = ("Blåmes", "field sparrow", "ibis")


def set_times(folder: Path) -> None:
    """Set the modification times of the images to those that caches know them by."""
    for path in (*folder.glob("images/*"), *folder.glob("images.*")):
        os.utime(path, (WHEN, WHEN))


def write_images(folder: Path) -> None:
    """Write 8 training, 2 validation and 4 test images of each class, and one that is torn."""
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(42):
        label, place = divmod(number, 14)
        name = f"images/{number:02d}.png"
        _paint(label, rng).save(folder / name, optimize=True)
        rows.append((name, CLASSES[label], "train" if place < 8 else "val" if place < 10 else "test"))
    # A wrong label, a test image that is a training image too, and one that cannot be read.
    rows[3] = (rows[3][0], CLASSES[2], "train")
    shutil.copy(folder / "images/20.png", folder / "images/26.png")
    (folder / "images/torn.png").write_bytes((folder / "images/00.png").read_bytes()[:100])
    rows.append(("images/torn.png", CLASSES[0], "test"))
    with (folder / "images.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("path", "label", "split"), *rows])
    set_times(folder)


def _paint(label: int, rng: np.random.Generator) -> Image.Image:
    """Paint checks, rings or stripes in eight shades, 24 to 40 pixels wide and high."""
    H, W = rng.integers(6, 11, 2) * 4
    y, x = np.mgrid[:H, :W] + rng.uniform(0, 8)
    waves = (np.sign(np.sin(x) * np.sin(y)), np.sin(np.hypot(x - W / 2, y - H / 2)), np.sin(x + 0.3 * y))
    shades = 3.5 + 2 * waves[label] + rng.normal(0, 0.9, (H, W))
    palette = np.clip(rng.uniform(0.5, 1, 3) * np.arange(8)[:, None] * 32, 0, 255).astype(np.uint8)
    image = Image.fromarray(np.clip(shades, 0, 7).astype(np.uint8), "P")
    image.putpalette(palette.tobytes())
    return image


def write_tiny_images(folder: Path) -> None:
    """Write 560 images of 16 x 16 black and white pixels in two classes: more than one shard of a cache."""
    rng = np.random.default_rng(1)
    for number in range(560):
        kind = folder / "train" / str(number % 2)
        kind.mkdir(parents=True, exist_ok=True)
        pixels = np.kron(rng.integers(0, 2, (4, 4)), np.ones((4, 4))) if number % 2 else rng.integers(0, 2, (16, 16))
        Image.fromarray(pixels.astype(bool)).save(kind / f"{number:03d}.png", optimize=True)


def write_weights(path: Path) -> None:
    """Write values of which sums are exact in float32: whole numbers over 8, on images scaled by 1 / 256."""
    rng = np.random.default_rng(2)

    def draw(*shape: int) -> np.ndarray:
        return (rng.integers(-4, 5, shape) / 8).astype(np.float32)

    tensors = {
        "features.0.weight": draw(64, 3, 3, 3), "features.0.bias": draw(64),
        "features.0.0.weight": draw(16, 3, 3, 3), "features.0.1.weight": 1 + draw(16), "features.0.1.bias": draw(16),
        "features.0.1.running_mean": draw(16), "features.0.1.running_var": 1 + draw(16) ** 2,
    }  # fmt: skip
    preprocessing = {"mean": [0, 0, 0], "std": [1, 1, 1], "scale": 1 / 256, "channel_order": "rgb"}
    save_file(tensors, path, metadata={"preprocessing": json.dumps(preprocessing)})
