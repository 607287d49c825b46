"""The commands that are killed or run on a full disk, with their inputs and the results to compare."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.core.textures import write_textures
from tests.crash.child import finish

__all__ = ["CASES", "Case"]

QUICK = ("--weights", "none", "--layer", "relu1_1", "--image-size", "16", "-q")


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        prepare: writes the command's inputs into an empty folder.
        arguments: arguments of the first run.
        again: folder of the first run -> arguments of the next run after a kill; empty if nothing is left to do.
        results: paths below that folder whose content must be the same as without a kill.
    """

    prepare: Callable[[Path], None]
    arguments: tuple[str, ...]
    again: Callable[[Path], tuple[str, ...]]
    results: tuple[str, ...]


def _many_images(folder: Path) -> None:
    # Three shards.
    rng = np.random.default_rng(0)
    for number in range(1100):
        place = folder / "data" / ("train" if number % 4 else "test") / f"class{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(place / f"{number:04d}.png")


def _cache(folder: Path) -> None:
    write_textures(folder / "data", train=8, test=2)
    finish(("extract", "data", "-o", "a.h5", *QUICK, "--pooling", "bilinear", "-j", "0"), folder)


def _textures(folder: Path) -> None:
    write_textures(folder / "data", train=8, test=2)


def _another_cache(folder: Path) -> None:
    write_textures(folder / "data", train=8, test=2)
    finish((*EXTRACT, "--image-size", "24"), folder)


def _another_run(folder: Path) -> None:
    write_textures(folder / "data", train=8, test=2)
    finish((*FINETUNE, "--seed", "1", "--epochs", "1"), folder)


EXTRACT = ("extract", "data", "-o", "a.h5", *QUICK, "--pooling", "max,avg", "-j", "1", "-b", "64")
TRAIN_HEAD = ("train-head", "a.h5", "-o", "m.safetensors", "--weights", "none", "-q")
FINETUNE = (
    "finetune", "data", "-o", "run", "--network", "resnet164", "--set", "finetune.blocks=1", "--set",
    "finetune.width=4", "--head", "fb", "--image-size", "16", "--augment", "none", "--epochs", "3", "-b", "6",
    "--val-fraction", "0", "--set", "finetune.checkpoint_steps=2", "-j", "0", "-q", "--precision", "float32",
)  # fmt: skip
# Without decoder processes: a limit on the size of files limits shared memory, too.
EXTRACT_ANEW, FINETUNE_ANEW = (*EXTRACT, "-j", "0", "--overwrite"), (*FINETUNE, "--overwrite")

CASES = {
    "extract": Case(_many_images, EXTRACT, lambda _: EXTRACT, ("a.h5",)),
    "train-head": Case(
        _cache,
        TRAIN_HEAD,
        # A finished model is not overwritten, so nothing is left to do.
        lambda folder: () if (folder / "m.safetensors").exists() else TRAIN_HEAD,
        ("m.safetensors",),
    ),
    "finetune": Case(
        _textures,
        FINETUNE,
        lambda folder: (
            (*FINETUNE[:3], "run", "--resume", "-q") if (folder / "run" / "config.yaml").exists() else FINETUNE
        ),
        ("run/last.safetensors", "run/metrics.csv"),
    ),
    "extract --overwrite": Case(_another_cache, EXTRACT_ANEW, lambda _: EXTRACT_ANEW, ("a.h5",)),
    "finetune --overwrite": Case(
        _another_run, FINETUNE_ANEW, lambda _: FINETUNE_ANEW, ("run/last.safetensors", "run/metrics.csv")
    ),
}
