"""The contact sheet shows every image with its names, readable without colours."""

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageOps

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.report.palette import CORRECT, WRONG
from birdnet_cli.core.report.pictures.contact_sheet import GAP, MARGIN, PADDING, PredictedImage, draw_contact_sheet

BLUE = Image.new("RGB", (40, 30), (20, 60, 200))


def predicted(true_name: str = "wren", predicted_name: str = "wren", *, image: Image.Image = BLUE) -> PredictedImage:
    return PredictedImage(image, true_name, predicted_name, 0.75)


def sheet(*images: PredictedImage, columns: int = 6, title: str = "birds", subtitle: str = "") -> np.ndarray:
    picture = draw_contact_sheet(images, title=title, subtitle=subtitle, columns=columns, thumbnail=64)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def has(pixels: np.ndarray, colour: str) -> bool:
    return bool((pixels == ImageColor.getrgb(colour)).all(-1).any())


def badge(pixels: np.ndarray) -> np.ndarray:
    """The disc on the only thumbnail, as brightness."""
    rows, columns = np.nonzero((pixels == (20, 60, 200)).all(-1))
    left, top = columns.min(), rows.min()
    return np.asarray(ImageOps.grayscale(Image.fromarray(pixels[top + 4 : top + 13, left + 4 : left + 13])))


def test_correct_is_green_and_wrong_is_red() -> None:
    card = slice(MARGIN, -4 * 7 - MARGIN)  # without the legend, which shows both
    correct, wrong = (sheet(predicted("wren", name))[card] for name in ("wren", "auk"))
    assert (has(correct, CORRECT), has(correct, WRONG)) == (True, False)
    assert (has(wrong, CORRECT), has(wrong, WRONG)) == (False, True)


def test_tick_and_cross_differ_in_shape() -> None:
    tick, cross = (badge(sheet(predicted("wren", name))) > 160 for name in ("wren", "auk"))
    assert (tick != cross).sum() >= 6


def test_legend_shows_tick_and_cross_whatever_the_images() -> None:
    legend = sheet(predicted())[-4 * 7 - MARGIN :]
    assert has(legend, CORRECT)
    assert has(legend, WRONG)


def test_images_stand_in_reading_order() -> None:
    colours = [(200, 10, 10), (10, 200, 10), (10, 10, 200)]
    pixels = sheet(*(predicted(image=Image.new("RGB", (9, 9), colour)) for colour in colours), columns=2)
    first, second, third = (np.argwhere((pixels == colour).all(-1)).mean(0) for colour in colours)
    assert first[0] == second[0] < third[0]
    assert first[1] == third[1] < second[1]


def test_fewer_images_than_columns_make_a_narrow_sheet() -> None:
    assert sheet(predicted(), columns=6).shape[1] == 2 * MARGIN + 64 + 2 * PADDING
    assert sheet(predicted(), predicted(), columns=6).shape[1] == 2 * MARGIN + 2 * (64 + 2 * PADDING) + GAP


def test_names_are_drawn_beneath_the_image() -> None:
    assert (sheet(predicted("wren", "auk")) != sheet(predicted("ruff", "auk"))).any()
    assert (sheet(predicted("wren", "auk")) != sheet(predicted("wren", "gull"))).any()


def test_subtitle_gets_a_line_of_its_own() -> None:
    assert sheet(predicted(), subtitle="of the test split").shape[0] > sheet(predicted()).shape[0]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16"])
def test_image_of_any_mode_is_shown(mode: str) -> None:
    sheet(predicted(image=Image.new(mode, (30, 50))))


def test_palette_image_is_shrunk_smoothly() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (192, 96))).convert("P")
    thumbnail = sheet(predicted(image=stripes))[80:110, MARGIN + PADDING + 10 : MARGIN + PADDING + 54]
    assert thumbnail.min() > 60


@pytest.mark.parametrize(
    "name", ["五十雀", "Поползень", "نقار الخشب", "a\udcff", "two\nlines\t", "", "🐦" * 9], ids=ascii
)
def test_name_in_any_script_can_be_drawn(name: str) -> None:
    sheet(predicted(name, "wren"), title=name, subtitle=name)


@pytest.mark.parametrize(
    ("images", "arguments", "message"),
    [
        ([], {}, r"images of a contact sheet: expected at least 1, got 0"),
        ([predicted()], {"columns": 0}, r"columns of a contact sheet: expected at least 1, got 0"),
        ([predicted()], {"thumbnail": 63}, r"thumbnail of a contact sheet: expected at least 64, got 63"),
    ],
)
def test_out_of_range_arguments_are_refused_by_name(
    images: list[PredictedImage], arguments: dict[str, int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        draw_contact_sheet(images, title="birds", **arguments)
