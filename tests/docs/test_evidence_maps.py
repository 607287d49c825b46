"""The program in docs/evidence-maps.md chooses the birds by its rule and marks the wrong predictions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from birdnet_cli.core.report.palette import CORRECT, WRONG

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROGRAM = (DOCS / "evidence-maps.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
GREEN, RED = ImageColor.getrgb(CORRECT), ImageColor.getrgb(WRONG)
# True and predicted class of every image, in the order of the list: c is never wrong, g comes after the tenth figure.
PREDICTED = ("ab", "aa", "aa", "ac", "ba", "bb", "cc", "cc", "dd", "da", "ee", "eb", "fa", "ff", "gg")
CHOSEN = (1, 0, 5, 4, 6, 8, 9, 10, 11, 13)


def draw_sheet(folder: Path) -> np.ndarray:
    """Run the program on figures whose shade is their number, and return the sheet."""
    (folder / "maps").mkdir()
    for number, _ in enumerate(PREDICTED):
        Image.new("L", (832, 632), 10 * number + 5).save(folder / "maps" / f"{number + 1:05d}-x.png")
    rows = [{"path": f"test/{true}/x.jpg", "top": [{"label": predicted}]} for true, predicted in PREDICTED]
    (folder / "birds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=folder, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    with Image.open(folder / "evidence-maps.jpg") as sheet:
        return np.asarray(sheet).astype(np.int16)


def near(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(pixels - colour).max(axis=-1) < 60).any())


def test_the_first_correct_and_the_first_wrong_image_of_each_class_are_chosen_and_marked(tmp_path: Path) -> None:
    sheet = draw_sheet(tmp_path)
    for place, number in enumerate(CHOSEN):
        x, y = place % 2 * 624, place // 2 * 500 + 12
        middle = sheet[y + 250, x + 312]
        assert np.abs(middle - (10 * number + 5)).max() <= 3, place
        true, predicted = PREDICTED[number]
        caption = sheet[y : y + 22, x + 18 : x + 600]
        assert (near(caption, GREEN), near(caption, RED)) == (true == predicted, true != predicted), place


def test_the_sheet_in_the_repository_is_the_programs_and_small() -> None:
    path = DOCS / "evidence-maps.jpg"
    with Image.open(path) as sheet:
        assert sheet.size == (2 * 624, 5 * 500 + 12)
    assert path.stat().st_size < 600_000
