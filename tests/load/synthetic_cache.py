"""`python -m tests.load.synthetic_cache OUT.h5 [--rows N] [--values D] [--classes K]`: descriptors drawn at random.

For heads too large for the real data: unit rows, a class mean and noise of `--noise` times its length in each.
"""

import argparse
from pathlib import Path

import numpy as np

from birdnet_cli.core.backbones.preprocessing import IMAGENET
from birdnet_cli.core.cache import CachePlan, Parts, consolidate

__all__ = ["write_synthetic_cache"]


def write_synthetic_cache(out: Path, *, rows: int, values: int, classes: int, noise: float) -> None:
    """Write a cache whose descriptor is named `avg`; every fifth image of a class is in the test split.

    Args:
        out: the cache to write.
        rows: N.
        values: D.
        classes: K.
        noise: length of a row's noise; its class mean has length 1.
    """
    plan = CachePlan(
        names=tuple(f"{row}.jpg" for row in range(rows)),
        labels=tuple(row % classes for row in range(rows)),
        splits=tuple("test" if row // classes % 5 == 4 else "train" for row in range(rows)),
        classes=tuple(f"class{number}" for number in range(classes)),
        descriptors={"avg": values},
        dtype="float16",
        fingerprint={
            "data": "drawn at random",
            "backbone": "vgg16",
            "layer": "relu5_3",
            "weights_sha256": "0" * 64,
            "preprocessing": IMAGENET.to_json(),
            "transform": {},
            "flip": False,
            "precision": "float32",
        },
        provenance={"weights_source": "none", "bbox": False, "settings": {}},
    )
    draw = np.random.default_rng(0)
    means = draw.standard_normal((classes, values), np.float32) / values**0.5
    with Parts.open(out, plan) as parts:
        for index in parts.missing_shards():
            numbers = np.array(plan.shard_range(index))
            block = noise / values**0.5 * draw.standard_normal((len(numbers), values), np.float32)
            block += means[numbers % classes]
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            parts.write_shard(
                index,
                features={"avg": block},
                status=np.zeros(len(numbers), np.uint8),
                errors=[""] * len(numbers),
                sha256=np.zeros((len(numbers), 32), np.uint8),
            )
        consolidate(parts, keep=["avg"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.load.synthetic_cache")
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=62_500)
    parser.add_argument("--values", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--noise", type=float, default=4.0)
    given = vars(parser.parse_args())
    write_synthetic_cache(given.pop("out"), **given)
