"""Draw images in a grid with their true and predicted names; colour and badge tell correct from wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.report.palette import CARD, CORRECT, FAINT, INK, PAPER, WRONG
from birdnet_cli.core.report.pictures.text_fit import shorten, wrap

__all__ = ["PredictedImage", "draw_contact_sheet"]

MARGIN, GAP, PADDING = 28, 16, 8
# Badges are drawn this many times larger and averaged down, which smooths their edges.
SUPERSAMPLING = 4


@dataclass(frozen=True)
class PredictedImage:
    """An image of a contact sheet with its true and predicted class.

    Attributes:
        picture: pixels of any mode and size; the largest central square is shown.
        true_name: name of the true class.
        predicted_name: name of the predicted class.
        probability: probability of the predicted class, 0..1.
    """

    picture: Image.Image
    true_name: str
    predicted_name: str
    probability: float

    @property
    def correct(self) -> bool:
        """Whether the predicted class is the true class."""
        return self.true_name == self.predicted_name


def draw_contact_sheet(
    images: Sequence[PredictedImage], *, title: str, subtitle: str = "", columns: int = 6, thumbnail: int = 168
) -> Image.Image:
    """Draw images in reading order under a title, with a legend below.

    Args:
        images: at least one image.
        title: heading of one line; if too long, it ends in an ellipsis.
        subtitle: second, smaller line; empty leaves it out.
        columns: number of images in a row, at least 1.
        thumbnail: width and height of a shown image in pixels, at least 64.

    Returns:
        An RGB picture, high enough for all rows.

    Raises:
        UsageError: there is no image, or `columns` or `thumbnail` is out of range.
    """
    for name, value, least in (("images", len(images), 1), ("columns", columns, 1), ("thumbnail", thumbnail, 64)):
        if value < least:
            raise UsageError(f"{name} of a contact sheet: expected at least {least}, got {value}")
    columns = min(columns, len(images))
    layout = _Layout(images, thumbnail)
    body, line, (card_width, card_height) = layout.font, layout.line, layout.card
    heading = ImageFont.load_default(thumbnail / 6.5)
    rows = -(-len(images) // columns)
    width = 2 * MARGIN + columns * (card_width + GAP) - GAP
    top = MARGIN + round(thumbnail / 4.5) + (line + PADDING if subtitle else 0) + GAP
    legend_top = top + rows * (card_height + GAP)
    sheet = Image.new("RGB", (width, legend_top + 4 * line + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)

    draw.text((MARGIN, MARGIN), shorten(title, heading, width - 2 * MARGIN), font=heading, fill=INK)
    if subtitle:
        place = (MARGIN, top - GAP - line - PADDING)
        draw.text(place, shorten(subtitle, body, width - 2 * MARGIN), font=body, fill=FAINT)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        _draw_card(sheet, image, layout, MARGIN + column * (card_width + GAP), top + row * (card_height + GAP))
    for number, (correct, meaning) in enumerate(((True, "the true name was predicted"), (False, "another name was"))):
        x, y = MARGIN, legend_top + round(1.4 * number * line)
        count = sum(image.correct == correct for image in images)
        text = shorten(f"{meaning}: {count} of {len(images)}", body, width - MARGIN - x - 1.6 * line)
        _draw_badge(sheet, (x, y), diameter=line, correct=correct)
        draw.text((x + 1.6 * line, y + line / 2), text, font=body, fill=INK, anchor="lm")
    key = "above: the true name; below: the predicted name and its probability"
    key = shorten(key, body, width - 2 * MARGIN)
    draw.text((MARGIN, legend_top + 2.8 * line), key, font=body, fill=FAINT)
    return sheet


class _Layout:
    """The measures that all cards of a sheet share."""

    def __init__(self, images: Sequence[PredictedImage], thumbnail: int) -> None:
        self.thumbnail = thumbnail
        self.font = ImageFont.load_default(thumbnail / 12.5)
        self.line = round(thumbnail / 9.5)
        self.predicted_width = thumbnail - round(self.font.getlength("100% "))
        self.true_lines = max(len(wrap(image.true_name, self.font, thumbnail)) for image in images)
        predicted_lines = max(len(wrap(image.predicted_name, self.font, self.predicted_width)) for image in images)
        text_height = (self.true_lines + predicted_lines) * self.line + 2 * PADDING
        self.card = (thumbnail + 2 * PADDING, thumbnail + 2 * PADDING + text_height)


def _draw_card(sheet: Image.Image, image: PredictedImage, layout: _Layout, x: int, y: int) -> None:
    draw, font, thumbnail = ImageDraw.Draw(sheet), layout.font, layout.thumbnail
    colour = CORRECT if image.correct else WRONG
    box = (x, y, x + layout.card[0], y + layout.card[1])
    draw.rounded_rectangle(box, radius=PADDING, fill=CARD, outline=colour, width=2 if image.correct else 4)
    x, y = x + PADDING, y + PADDING
    square = ImageOps.fit(image.picture.convert("RGB"), (thumbnail, thumbnail), Image.Resampling.LANCZOS)
    sheet.paste(square, (x, y))
    _draw_badge(sheet, (x + 4, y + 4), diameter=thumbnail // 7, correct=image.correct)
    y += thumbnail + PADDING // 2
    for number, text in enumerate(wrap(image.true_name, font, thumbnail)):
        draw.text((x, y + number * layout.line), text, font=font, fill=INK)
    y += layout.true_lines * layout.line + PADDING // 2
    for number, text in enumerate(wrap(image.predicted_name, font, layout.predicted_width)):
        draw.text((x, y + number * layout.line), text, font=font, fill=colour)
    draw.text((x + thumbnail, y), f"{image.probability:.0%}", font=font, fill=colour, anchor="ra")


def _draw_badge(sheet: Image.Image, place: tuple[int, int], *, diameter: int, correct: bool) -> None:
    """Draw a coloured disc with a white tick or cross, which differ without colour, too."""
    large = diameter * SUPERSAMPLING
    badge = Image.new("RGBA", (large, large), (0, 0, 0, 0))
    draw = ImageDraw.Draw(badge)
    draw.ellipse((0, 0, large - 1, large - 1), fill=CORRECT if correct else WRONG, outline=CARD, width=large // 14)
    strokes = (
        [[(0.28, 0.52), (0.44, 0.68), (0.74, 0.34)]]
        if correct
        else [[(0.31, 0.31), (0.69, 0.69)], [(0.31, 0.69), (0.69, 0.31)]]
    )
    for stroke in strokes:
        draw.line([(x * large, y * large) for x, y in stroke], fill=CARD, width=large // 8, joint="curve")
    badge = badge.reduce(SUPERSAMPLING)
    sheet.paste(badge, place, badge)
