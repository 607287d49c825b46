"""The neighbour sheet shows each image before its neighbours."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.engine.neighbors import Neighbor, Neighborhood
from birdnet_cli.core.errors import CacheError
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.report.pictures import neighbor_sheet
from birdnet_cli.core.report.pictures.neighbor_sheet import MARGIN, THUMBNAIL, draw_neighbor_sheet


def near(cache_path: Path, image: Path, *rows: int) -> Neighborhood:
    """Return a neighbourhood of cached rows, chosen by hand."""
    with FeatureCache.open(cache_path) as cache:
        neighbors = [
            Neighbor(row, cache.names[row], cache.classes[cache.labels[row]], cache.splits[row], 0.5) for row in rows
        ]
    return Neighborhood(str(image), None, tuple(neighbors), ())


def test_a_neighbour_has_a_place_of_its_own_to_the_right_of_its_image(
    extracted: ExtractReport, textures: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(textures, tmp_path / "textures"))
    cache = extracted.output
    found = [
        near(cache, data / "test" / "rings" / "000.png", 3, 9, 17),
        near(cache, data / "test" / "checks" / "001.png", 5, 11, 20),
    ]
    sheet = draw_neighbor_sheet(found, cache, data)
    # A damaged file leaves its place empty, and nothing else changes.
    (data / found[0].neighbors[1].path).write_bytes(b"damaged")
    changed = np.argwhere((np.asarray(draw_neighbor_sheet(found, cache, data)) != np.asarray(sheet)).any(axis=2))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert (bottom - top, right - left) == (THUMBNAIL - 1, THUMBNAIL - 1)
    assert left > MARGIN + 2 * THUMBNAIL
    assert top < sheet.height / 2


def test_images_with_an_error_and_rows_beyond_the_limit_are_left_out(
    extracted: ExtractReport, textures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = textures / "test" / "rings" / "000.png"
    good, bad = near(extracted.output, image, 2), Neighborhood("bad.png", "zero bytes", (), ())
    two = draw_neighbor_sheet([good, good], extracted.output, textures)
    assert draw_neighbor_sheet([good, bad, good], extracted.output, textures) == two
    monkeypatch.setattr(neighbor_sheet, "MOST_ROWS", 2)
    assert draw_neighbor_sheet([good] * 5, extracted.output, textures) == two


def test_a_data_set_without_a_neighbour_is_refused(extracted: ExtractReport, textures: Path, tmp_path: Path) -> None:
    found = near(extracted.output, textures / "test" / "rings" / "000.png", 4)
    other = Path(shutil.copytree(textures, tmp_path / "textures"))
    (other / found.neighbors[0].path).unlink()
    with pytest.raises(CacheError, match="give the data set that was extracted"):
        draw_neighbor_sheet([found], extracted.output, other)
