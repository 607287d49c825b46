"""The evidence figure: colours for and against a class, the grey photograph, and the predictions."""

import numpy as np
import torch
from PIL import Image, ImageChops

from birdnet_cli.core.model import Guess, Prediction
from birdnet_cli.core.report.pictures.evidence_figure import draw_evidence

ROW = Prediction("a.png", "ok", None, (Guess("wren", 0, 0.75), Guess("auk", 1, 0.25)), "m")
GREY = torch.full((3, 32, 32), 128, dtype=torch.uint8)


def figure(evidence: torch.Tensor, *, title: str = "wren") -> Image.Image:
    return draw_evidence(GREY, evidence, ROW, title=title)


def test_evidence_for_is_orange_and_evidence_against_is_blue() -> None:
    evidence = torch.zeros(4, 4)
    evidence[0, 0], evidence[3, 3] = 1.0, -1.0
    pixels = np.asarray(figure(evidence)).astype(int)
    painted = pixels[60 : 60 + 384, 24 + 384 + 16 : 24 + 2 * 384 + 16]
    (r, _, b), (r2, _, b2) = painted[10, 10], painted[-10, -10]
    assert r > b + 50
    assert b2 > r2 + 50


def test_a_map_without_evidence_leaves_the_photograph_grey() -> None:
    pixels = np.asarray(figure(torch.zeros(4, 4)))[60 : 60 + 384, 24 + 384 + 16 : 24 + 2 * 384 + 16]
    assert (pixels == 128).all()


def test_title_and_guesses_are_drawn() -> None:
    plain = figure(torch.zeros(2, 2))
    assert ImageChops.difference(plain, figure(torch.zeros(2, 2), title="auk")).getbbox() is not None
    assert np.asarray(plain)[60 + 384 + 44 + 10, 24 + 20].tolist() == [0x2B, 0x2A, 0x28]
