"""The nearest cached images equal those of all cosines, for any size of window and block."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.engine import neighbors
from birdnet_cli.core.engine.neighbors import NeighborSearch, find_neighbors
from birdnet_cli.core.errors import CacheError, UsageError, WeightsError
from birdnet_cli.core.features.run import ExtractReport


def by_average(**settings: Any) -> NeighborSearch:
    return NeighborSearch(**{"pooling": "avg", "weights": "none"} | settings)


@pytest.mark.parametrize("split", ["train", "test", None])
@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_neighbours_are_those_of_the_largest_cosines(
    extracted: ExtractReport, textures: Path, pooling: str, split: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbors, "WINDOW", 5)
    images = sorted(str(path) for path in (textures / "test").rglob("*.png"))
    found = list(
        find_neighbors(
            images, extracted.output, search=NeighborSearch(pooling=pooling, k=4, split=split, weights="none")
        )
    )
    assert [neighborhood.path for neighborhood in found] == images
    with FeatureCache.open(extracted.output) as cache:
        values = np.concatenate([block.copy() for _, block in cache.blocks(pooling)]).astype(np.float64)
        names, splits, classes, labels = cache.names, cache.splits, cache.classes, cache.labels
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    for neighborhood in found:
        own = names.index(str(Path(neighborhood.path).relative_to(textures)))
        cosines = values @ values[own]
        others = [row for row in range(len(names)) if row != own and split in (None, splits[row])]
        expected = sorted(others, key=lambda row: -cosines[row])[:4]
        assert [neighbor.row for neighbor in neighborhood.neighbors] == expected
        assert [neighbor.path for neighbor in neighborhood.neighbors] == [names[row] for row in expected]
        assert [neighbor.label for neighbor in neighborhood.neighbors] == [classes[labels[row]] for row in expected]
        assert np.allclose([neighbor.similarity for neighbor in neighborhood.neighbors], cosines[expected], atol=2e-3)
        assert neighborhood.same == (names[own],)


def test_a_bad_image_is_a_row_with_its_error(extracted: ExtractReport, textures: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    good = shutil.copy(textures / "train" / "rings" / "000.png", tmp_path / "good.png")
    bad, fine = find_neighbors([tmp_path / "bad.png", good], extracted.output, search=by_average(k=2))
    assert (bad.neighbors, bad.same) == ((), ())
    assert bad.error is not None
    assert fine.error is None
    assert len(fine.neighbors) == 2
    assert fine.same == ("train/rings/000.png",)


def test_more_neighbours_than_images_are_all_of_them(extracted: ExtractReport, textures: Path) -> None:
    (neighborhood,) = find_neighbors(
        [textures / "train" / "rings" / "000.png"],
        extracted.output,
        search=by_average(k=999),
    )
    assert len(neighborhood.neighbors) == 3 * 8 - 1


def test_requests_that_make_no_sense_are_refused(extracted: ExtractReport, textures: Path, tmp_path: Path) -> None:
    image = textures / "test" / "rings" / "000.png"
    with pytest.raises(UsageError, match="expected 1 or more neighbours, got 0"):
        next(find_neighbors([image], extracted.output, search=by_average(k=0)))
    with pytest.raises(CacheError, match="has no good image in val"):
        next(find_neighbors([image], extracted.output, search=by_average(split="val")))
    with pytest.raises(WeightsError):
        next(find_neighbors([image], extracted.output, search=by_average(weights=str(tmp_path / "other.pth"))))
