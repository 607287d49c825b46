"""Write a data set of painted birds as an image folder: `SPLIT/SPECIES/NUMBER.jpg`."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from birdnet_cli.core.demo.painted_birds.painter import paint_bird
from birdnet_cli.core.demo.painted_birds.species import SPECIES
from birdnet_cli.core.errors import DataError

__all__ = ["write_painted_birds"]

JPEG_QUALITY = 92


def write_painted_birds(
    root: Path,
    *,
    images_per_class: Mapping[str, int],
    seed: int = 0,
    size: int = 256,
    advance: Callable[[int], None] | None = None,
) -> None:
    """Paint every species and write `root/<split>/<Species_name>/<index>.jpg`; equal arguments give equal files.

    The numbers continue from split to split, so no picture is in two splits. The pictures are written to a hidden
    directory beside `root`, which is renamed to `root` when all are there.

    Args:
        root: the directory to create.
        images_per_class: split -> number of pictures of each species, such as `{"train": 24, "test": 12}`.
        seed: seed of the whole data set, 0 or more.
        size: width and height in pixels, 64 or more.
        advance: called with 1 after every picture.

    Raises:
        DataError: `root` exists already.
        UsageError: `seed` or `size` is out of range.
        OSError: the files cannot be written; nothing is left behind.
    """
    if root.exists():
        raise DataError(
            f"{root}: expected a new directory for the painted birds, but it exists; remove it or name another"
        )
    unfinished = root.with_name(f".{root.name}.{os.getpid()}.tmp")
    try:
        first = 0
        for split, count in images_per_class.items():
            for species in SPECIES:
                folder = unfinished / split / species.folder
                folder.mkdir(parents=True)
                for index in range(first, first + count):
                    picture = paint_bird(species, seed=seed, index=index, size=size)
                    picture.save(folder / f"{index:03d}.jpg", quality=JPEG_QUALITY)
                    if advance is not None:
                        advance(1)
            first += count
        unfinished.rename(root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
