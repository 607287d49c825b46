"""Draw an image beside its evidence map, painted over the grey image, with a colour scale and the predictions."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont
from torch import Tensor

from birdnet_cli.core.model import Prediction
from birdnet_cli.core.report.palette import AGAINST, EMPTY, FAINT, FOR, INK, PAPER
from birdnet_cli.core.report.pictures.text_fit import shorten

__all__ = ["draw_evidence"]

SIDE, MARGIN, GAP = 384, 24, 16  # pixels
MOST_OPAQUE = 0.8  # opacity of the strongest evidence, 0..1
GUESSES = 5  # classes listed below the images


def draw_evidence(image: Tensor, evidence: Tensor, row: Prediction, *, title: str) -> Image.Image:
    """Draw the image, the same image in grey under its evidence, and the class names with their probabilities.

    The opacity of a position is proportional to its evidence, relative to the strongest position of the image.

    Args:
        image: uint8 Tensor[3, S, S], the transformed image.
        evidence: float Tensor[h, w], finite, in logits; values above 0 are evidence for the class.
        row: the image's prediction.
        title: heading of one line; if too long, it ends in an ellipsis.

    Returns:
        An RGB picture.
    """
    photograph = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    painted, strongest = _paint(photograph, evidence.numpy())
    heading, body = ImageFont.load_default(17), ImageFont.load_default(15)
    guesses = row.top[:GUESSES]
    width, top = 2 * MARGIN + 2 * SIDE + GAP, MARGIN + 36
    list_top = top + SIDE + 44
    sheet = Image.new("RGB", (width, list_top + 24 * len(guesses) + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), shorten(title, heading, width - 2 * MARGIN), font=heading, fill=INK)
    sheet.paste(photograph, (MARGIN, top))
    sheet.paste(painted, (MARGIN + SIDE + GAP, top))
    _draw_scale(sheet, (MARGIN + SIDE + GAP, top + SIDE + 10), strongest)
    for number, guess in enumerate(guesses):
        y = list_top + 24 * number
        draw.rectangle((MARGIN, y + 3, MARGIN + 160, y + 17), fill=EMPTY)
        draw.rectangle((MARGIN, y + 3, MARGIN + round(160 * guess.prob), y + 17), fill=INK if number == 0 else FAINT)
        draw.text((MARGIN + 172, y), f"{guess.prob:6.1%}", font=body, fill=INK)
        draw.text((MARGIN + 240, y), shorten(guess.label, body, width - 2 * MARGIN - 240), font=body, fill=INK)
    return sheet


def _paint(photograph: Image.Image, evidence: NDArray[np.float32]) -> tuple[Image.Image, float]:
    """Return the photograph in grey under the map, and the largest absolute value of the map."""
    strongest = float(np.abs(evidence).max())
    smooth = Image.fromarray(evidence.astype(np.float32)).resize(photograph.size, Image.Resampling.BICUBIC)
    share = np.clip(np.asarray(smooth) / (strongest or 1.0), -1, 1)[..., None]  # [S, S, 1]
    grey = np.asarray(photograph.convert("L").convert("RGB"), np.float32)
    colour = np.where(share > 0, _rgb(FOR), _rgb(AGAINST))  # [S, S, 3]
    opacity = MOST_OPAQUE * np.abs(share)
    return Image.fromarray((grey * (1 - opacity) + colour * opacity).round().astype(np.uint8)), strongest


def _draw_scale(sheet: Image.Image, place: tuple[int, int], strongest: float) -> None:
    """Draw the colours from the strongest evidence against the class to the strongest evidence for it."""
    x, y = place
    ramp = np.linspace(-1, 1, SIDE, dtype=np.float32)[None, :, None]  # [1, SIDE, 1]
    colour = np.where(ramp > 0, _rgb(FOR), _rgb(AGAINST))  # [1, SIDE, 3]
    strip = _rgb(PAPER) * (1 - np.abs(ramp)) + colour * np.abs(ramp)
    sheet.paste(Image.fromarray(np.repeat(strip, 8, axis=0).round().astype(np.uint8)), (x, y))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    draw.text((x, y + 12), f"{-strongest:.3g} against", font=font, fill=FAINT)
    draw.text((x + SIDE / 2, y + 12), "0", font=font, fill=FAINT, anchor="ma")
    draw.text((x + SIDE, y + 12), f"for {strongest:+.3g}", font=font, fill=FAINT, anchor="ra")


def _rgb(colour: str) -> NDArray[np.float32]:
    return np.array(ImageColor.getrgb(colour), np.float32)
