"""A small extraction with everything that can go into a cache; `python -c` processes load it through `runpy`."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from birdnet_cli.core.cache import STATUS_FAILED, CachePlan, Parts, consolidate

NAMES = ("a/\udcff\udcfe.jpg", "a/two\nlines.jpg", "b/🐦 bird.jpg", "b/déjà vu.jpg")


def plan_of(rows: int, descriptors: Mapping[str, int], dtype: str = "float16") -> CachePlan:
    """Return the plan of unlabelled images without a history."""
    return CachePlan(
        names=tuple(f"{index}.jpg" for index in range(rows)),
        labels=(-1,) * rows,
        splits=("train",) * rows,
        classes=(),
        descriptors=descriptors,
        dtype=dtype,
        fingerprint={},
        provenance={},
    )


class Extraction:
    """Descriptors of `rows` images, drawn from a seed; every 97th image fails."""

    columns = np.array([3, 7, 1300, 1299, 11])

    def __init__(self, rows: int = 1100, dtype: str = "float16") -> None:
        names = (*NAMES, *(f"c/{index:05d}.jpg" for index in range(rows)))[:rows]
        self.plan = CachePlan(
            names=names,
            labels=tuple(index % 4 - 1 for index in range(rows)),
            splits=tuple("test" if index % 3 == 0 else "train" for index in range(rows)),
            classes=("kea", "kākā", "kākāpō 🦜"),
            descriptors={"max": 40, "bilinear": 1301} | ({"full": 131_328} if rows < 10 else {}),
            dtype=dtype,
            fingerprint={"backbone": "vgg16", "layer": "relu5_3", "transform": {"image_size": 224, "resize": "squash"}},
            provenance={"fbn": "1.0", "note": "ß"},
        )
        self.status = np.array([STATUS_FAILED if index % 97 == 5 else 0 for index in range(rows)], np.uint8)
        self.errors = tuple(f"truncated \udcfe {index}" if bad else "" for index, bad in enumerate(self.status))
        self.sha256 = np.random.default_rng(1).integers(0, 256, (rows, 32), np.uint8)
        self.state = {"bilinear": {"mean": np.linspace(0, 1, 5, dtype=np.float32), "seed": np.array(3)}}

    def features(self, index: int) -> dict[str, np.ndarray]:
        """Return one shard's descriptors; those of failed images are NaN, as if never computed."""
        rows = self.plan.shard_range(index)
        random = np.random.default_rng([7, index])
        values = {name: random.standard_normal((len(rows), D), np.float32) for name, D in self.plan.descriptors.items()}
        for block in values.values():
            block[self.status[rows.start : rows.stop] != 0] = np.nan
        return values

    def expected(self, name: str) -> np.ndarray:
        """Return what a cache gives back: rounded to the storage type, failed images as zeros."""
        source = "bilinear" if name == "chosen" else name
        whole = np.concatenate([self.features(index)[source] for index in range(self.plan.shards)])
        whole[self.status != 0] = 0
        whole = whole.astype(self.plan.dtype).astype(np.float32)
        return whole[:, self.columns] if name == "chosen" else whole

    def write(self, parts: Parts, shards: Iterable[int] | None = None) -> None:
        for index in parts.missing_shards() if shards is None else shards:
            rows = self.plan.shard_range(index)
            span = slice(rows.start, rows.stop)
            parts.write_shard(
                index,
                features=self.features(index),
                status=self.status[span],
                errors=self.errors[span],
                sha256=self.sha256[span],
            )

    def run(self, out: Path, *, compress: bool = False, **options: Any) -> Path:
        """Extract as an engine would, resuming what is there."""
        parts = Parts.open(out, self.plan, **options)
        if parts is not None:
            with parts:
                self.write(parts)
                parts.save_state(self.state)
                derived = {"chosen": ("bilinear", self.columns)}
                consolidate(parts, keep=list(self.plan.descriptors), derived=derived, compress=compress)
        return out


def datasets(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Return type, shape and bytes of every dataset of an HDF5 file."""
    found = {}

    def keep(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = (str(node.dtype), node.shape, node[()].tobytes())

    with h5py.File(path, "r") as file:
        file.visititems(keep)
    return found


@pytest.fixture
def make_plan() -> Callable[..., CachePlan]:
    return plan_of


@pytest.fixture
def make_extraction() -> Callable[..., Extraction]:
    return Extraction


@pytest.fixture
def extraction() -> Extraction:
    return Extraction()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished cache of `Extraction()`; copy it before changing it."""
    return Extraction().run(tmp_path_factory.mktemp("finished") / "feats.h5")


@pytest.fixture
def entries() -> Callable[[Path], list[str]]:
    """List the names in a directory, sorted."""
    return lambda directory: sorted(path.name for path in directory.iterdir())


@pytest.fixture
def read_datasets() -> Callable[[Path], Mapping[str, Any]]:
    return datasets


@pytest.fixture
def process_script() -> str:
    """Source that makes this file's names known to a `python -c` process started in the repository's root."""
    path = os.fspath(Path(__file__))
    return f"import runpy, sys, pathlib\nglobals().update(runpy.run_path({path!r}))\nout = pathlib.Path(sys.argv[1])\n"
