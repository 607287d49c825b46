"""An evaluation of painted squares, with hostile names, and pages of it."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from birdnet_cli.core.evaluation import Copy, Duplicate, Evaluation
from birdnet_cli.core.report import write_report
from tests.core.evaluation.simulated import simulate

CLASSES = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "'; alert(1); //",
    "{{ 7 * 7 }}",
    "</title></style><b>bold",
    "caf\udce9 \u202egnp.exe",
    "plain_name",
)
NAMES = ("<script>alert(2)<", "onload='x' \"y\".jpg", "a&amp;b.jpg", "\udcff\x1b[31m.jpg")


def write_squares(root: Path, evaluation: Evaluation) -> Evaluation:
    """Write a JPEG for every image of an evaluation under `root`, and return the evaluation with their digests."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(12):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (6, 9, 3), np.uint8)).resize((90, 60)).save(buffer, "JPEG")
        pictures.append(buffer.getvalue())
    digests = []
    for row, name in enumerate(evaluation.outcomes.names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures[row % 12])
        digests.append(hashlib.sha256(pictures[row % 12]).digest())
    columns = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
    return replace(evaluation, outcomes=replace(evaluation.outcomes, digests=columns))


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluation]:
    """A folder with train and test images of three classes, and an evaluation of the latter."""
    root = tmp_path_factory.mktemp("squares")
    classes = ("red_finch", "blue_finch", "grey_finch")
    evaluation = simulate(classes=classes, n=60, sharpness=1.0, prefix="test")
    evaluation = write_squares(root, evaluation)
    for name in classes:
        (root / "train" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(root / "train" / name / "0.jpg")
    return root, evaluation


@pytest.fixture(scope="session")
def hostile() -> Evaluation:
    """An evaluation whose classes, files, model and data all have names that must not become markup."""
    evaluation = simulate(classes=CLASSES, n=140, sharpness=0.8)
    names = [f"{NAMES[row % len(NAMES)]}{row}" for row in range(140)]
    outcomes = replace(evaluation.outcomes, names=tuple(names))
    return replace(
        evaluation,
        outcomes=outcomes,
        failed=("<b>failed</b>.jpg: zero bytes",),
        duplicates=(Duplicate(names[0], (Copy("train", "<i>copy</i>.jpg"),)),),
        data="<u>data</u>",
        model={"file": "<script>alert(3)</script>.safetensors", "provenance": {"weights_source": "<em>x</em>"}},
    )


@pytest.fixture(scope="session")
def hostile_page(hostile: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "hostile.html"
    write_report(hostile, path)
    return path


@pytest.fixture(scope="session")
def page_with_images(squares: tuple[Path, Evaluation], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, evaluation = squares
    path = tmp_path_factory.mktemp("page") / "squares.html"
    write_report(evaluation, path, images=root)
    return path
