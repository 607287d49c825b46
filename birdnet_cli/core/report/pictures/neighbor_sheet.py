"""Draw images beside their nearest cached images, one row per image."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from birdnet_cli.core.cache import FeatureCache
from birdnet_cli.core.data import Sample, decode_image, read_sample
from birdnet_cli.core.data.sources import list_samples
from birdnet_cli.core.engine.neighbors import Neighborhood
from birdnet_cli.core.errors import FbnError
from birdnet_cli.core.features.origin import find_samples
from birdnet_cli.core.report.palette import EMPTY, FAINT, INK, PAPER
from birdnet_cli.core.report.pictures.text_fit import shorten, wrap

__all__ = ["draw_neighbor_sheet"]

THUMBNAIL, MARGIN, GAP, LINE = 144, 24, 12, 16  # pixels
BESIDE = 24  # pixels between the image and its neighbours
MOST_ROWS = 64  # images drawn


def draw_neighbor_sheet(found: Sequence[Neighborhood], cache_path: Path, images: Path) -> Image.Image:
    """Draw each image with its neighbours to the right, their classes and similarities below them.

    Args:
        found: at least one image with its neighbours; the first 64 without an error are drawn.
        cache_path: the cache that was searched.
        images: the data set that the cache was made from.

    Returns:
        An RGB picture.

    Raises:
        CacheError: the data set lacks a neighbour.
    """
    shown = [query for query in found if query.error is None][:MOST_ROWS]
    rows = sorted({neighbor.row for query in shown for neighbor in query.neighbors})
    with FeatureCache.open(cache_path) as cache:
        samples = dict(zip(rows, find_samples(cache, rows, images), strict=True))
    columns = max((len(query.neighbors) for query in shown), default=0)
    height = THUMBNAIL + 3 * LINE + GAP
    size = (
        2 * MARGIN + THUMBNAIL + BESIDE + columns * (THUMBNAIL + GAP) - GAP,
        2 * MARGIN + 2 * LINE + len(shown) * height,
    )
    sheet = Image.new("RGB", size, PAPER)
    heading = ImageFont.load_default(17)
    title = f"Nearest images of {cache_path.name}: the image, then its neighbours by falling similarity"
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN), shorten(title, heading, size[0] - 2 * MARGIN), font=heading, fill=INK)
    for number, query in enumerate(shown):
        _draw_row(sheet, query, samples, y=MARGIN + 2 * LINE + number * height)
    return sheet


def _draw_row(sheet: Image.Image, query: Neighborhood, samples: Mapping[int, Sample], *, y: int) -> None:
    (sample,) = list_samples([Path(query.path)])
    _draw_card(sheet, sample, (MARGIN, y), Path(query.path).name, "")
    for column, neighbor in enumerate(query.neighbors):
        x = MARGIN + THUMBNAIL + BESIDE + column * (THUMBNAIL + GAP)
        _draw_card(sheet, samples[neighbor.row], (x, y), neighbor.label, f"{neighbor.similarity:.3f}")


def _draw_card(sheet: Image.Image, sample: Sample, place: tuple[int, int], name: str, note: str) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    x, y = place
    try:
        image = decode_image(read_sample(sample), name=sample.name, box=sample.box)
        sheet.paste(ImageOps.fit(image, (THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS), place)
    except FbnError:
        # The file is missing or damaged since the extraction; the command's table still names the image.
        draw.rectangle((x, y, x + THUMBNAIL - 1, y + THUMBNAIL - 1), fill=EMPTY)
    lines = wrap(name, font, THUMBNAIL)
    for number, line in enumerate(lines):
        draw.text((x, y + THUMBNAIL + 2 + number * LINE), line, font=font, fill=INK)
    draw.text((x, y + THUMBNAIL + 2 + len(lines) * LINE), note, font=font, fill=FAINT)
