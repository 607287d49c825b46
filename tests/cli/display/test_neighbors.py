import pytest

from birdnet_cli.cli.display.neighbors import print_neighbors
from birdnet_cli.core.engine.neighbors import Neighbor, Neighborhood

NEIGHBOR = Neighbor(row=3, path="train/a[b].jpg", label="Herring_Gull", split="train", similarity=0.98765)


def test_each_neighbour_is_a_row_with_its_similarity(capsys: pytest.CaptureFixture[str]) -> None:
    print_neighbors(Neighborhood("photo.jpg", None, (NEIGHBOR,), ("train/same.jpg",)))
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert lines == [
        ["photo.jpg"],
        ["the", "same", "file", "as", "train/same.jpg"],
        ["similarity", "class", "image"],
        ["0.988", "Herring_Gull", "train/a[b].jpg"],
    ]


def test_an_image_that_cannot_be_read_has_its_reason_and_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_neighbors(Neighborhood("photo.jpg", "truncated", (), ()))
    assert capsys.readouterr().out.split() == ["photo.jpg", "error:", "truncated"]
