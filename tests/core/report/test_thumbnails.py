"""Thumbnails are small, square, made of the evaluated files alone, and limited in total size."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from birdnet_cli.core.data import Sample, open_dataset
from birdnet_cli.core.evaluation import Evaluation
from birdnet_cli.core.report.thumbnails import SIDE, Thumbnails

Squares = tuple[Path, Evaluation]


@pytest.fixture
def samples(squares: Squares) -> dict[str, Sample]:
    return {sample.name: sample for sample in open_dataset(squares[0]).samples}


def opened(uri: str | None) -> Image.Image:
    assert uri is not None
    kind, _, data = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def test_a_thumbnail_is_a_small_square_jpeg(squares: Squares, samples: dict[str, Sample]) -> None:
    thumbnails = Thumbnails(squares[1].outcomes, samples)
    image = opened(thumbnails.uri(0))
    assert image.size == (SIDE, SIDE)
    assert thumbnails.refused == 0
    assert bool(thumbnails)


def test_each_thumbnail_is_made_once(
    squares: Squares, samples: dict[str, Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    thumbnails = Thumbnails(squares[1].outcomes, samples)
    first = thumbnails.uri(3)
    monkeypatch.setattr(Thumbnails, "_make", lambda *_: pytest.fail("made again"))
    assert thumbnails.uri(3) is first


def test_no_more_bytes_are_embedded_than_allowed(squares: Squares, samples: dict[str, Sample]) -> None:
    size = len(opened_bytes(Thumbnails(squares[1].outcomes, samples).uri(0)))
    thumbnails = Thumbnails(squares[1].outcomes, samples, budget=4 * size)
    uris = [thumbnails.uri(row) for row in range(20)]
    made = [uri for uri in uris if uri is not None]
    assert 1 <= len(made) < 8
    assert sum(len(opened_bytes(uri)) for uri in made) <= 4 * size
    assert thumbnails.refused == 0


def test_a_file_other_than_the_evaluated_file_is_refused(
    squares: Squares, samples: dict[str, Sample], tmp_path: Path
) -> None:
    outcomes = squares[1].outcomes
    other = tmp_path / "other.jpg"
    Image.new("RGB", (9, 9)).save(other)
    broken = tmp_path / "gone.jpg"
    changed = samples | {
        outcomes.names[0]: Sample(other, outcomes.names[0], 0, "test"),
        outcomes.names[1]: Sample(broken, outcomes.names[1], 0, "test"),
    }
    del changed[outcomes.names[2]]
    thumbnails = Thumbnails(outcomes, changed)
    assert [thumbnails.uri(row) for row in range(3)] == [None, None, None]
    assert thumbnails.refused == 3
    assert thumbnails.uri(3) is not None


def test_a_box_is_cropped_to(squares: Squares, samples: dict[str, Sample]) -> None:
    outcomes = squares[1].outcomes
    sample = samples[outcomes.names[0]]
    boxed = Sample(sample.path, sample.name, 0, "test", box=(0, 0, 10, 10))
    whole, part = (opened(Thumbnails(outcomes, {sample.name: shown}).uri(0)) for shown in (sample, boxed))
    assert whole.tobytes() != part.tobytes()


def test_without_images_there_is_nothing_to_show_and_nothing_refused(squares: Squares) -> None:
    thumbnails = Thumbnails(squares[1].outcomes, {})
    assert thumbnails.uri(0) is None
    assert (thumbnails.refused, bool(thumbnails)) == (0, False)


def opened_bytes(uri: str | None) -> bytes:
    assert uri is not None
    return base64.b64decode(uri.partition(",")[2])
