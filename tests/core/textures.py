"""Textures that a random network can tell apart, settings that extract them in a moment, and damage to their cache."""

from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from birdnet_cli.core.recipe import ExtractSettings

CLASSES = ("checks", "rings", "stripes")
POOLINGS = ("max", "avg", "bilinear", "bilinear-reduce8", "bilinear-variance50", "compact-d64")


def paint_texture(label: int, rng: np.random.Generator, *, side: int = 40) -> Image.Image:
    """Paint checks, rings or stripes of a random phase and tint."""
    y, x = np.mgrid[:side, :side] + rng.uniform(0, 8)
    wave = (
        np.sign(np.sin(x) * np.sin(y)),
        np.sin(np.hypot(x - side / 2, y - side / 2)),
        np.sin(x + 0.2 * y),
    )[label]
    tint = rng.uniform(80, 160, 3)
    noise = rng.normal(0, 12, (side, side, 3))
    return Image.fromarray(np.clip(tint + 60 * wave[..., None] + noise, 0, 255).astype(np.uint8))


def write_textures(root: Path, *, train: int, test: int, seed: int = 0) -> Path:
    """Write an image folder with train and test splits."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                paint_texture(label, rng).save(folder / f"{index:03d}.png")
    return root


def small_settings(**changes: object) -> ExtractSettings:
    """Return settings of an extraction that takes a moment: random VGG16 weights up to relu2_1, 32 px."""
    defaults: dict[str, object] = {
        "weights": "none", "layer": "relu2_1", "image_size": 32, "batch_size": 8, "workers": 0,
        "precision": "float32", "pooling": POOLINGS, "fit_images": 12,
    }  # fmt: skip
    return ExtractSettings.model_validate(defaults | changes)


def flip_byte(path: Path, name: str, row: int) -> None:
    """Flip one bit in the middle of a stored row."""
    with h5py.File(path, "r") as file:
        dataset = file["features"][name]
        first = row // dataset.chunks[0] * dataset.chunks[0]
        offset = dataset.id.get_chunk_info_by_coord((first, 0)).byte_offset
        width = dataset.shape[1] * dataset.dtype.itemsize
    place = offset + (row - first) * width + width // 2
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 0x10]))
