from pathlib import Path

import pytest

from birdnet_cli.core.data import group_images
from birdnet_cli.core.errors import DataError


def write(folder: Path, text: str) -> Path:
    path = folder / "groups.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_images_of_a_group_share_a_number(tmp_path: Path) -> None:
    path = write(tmp_path, "path,group\na,Ann\nb,Bob\nc,Ann\nunused,Cleo\n")
    assert group_images(["c", "b", "a"], path, column="group").tolist() == [0, 1, 0]


def test_an_image_without_a_group_stands_for_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "path,site\na,\nb,\nc,a\nd,a\n")
    first, second, third, fourth = group_images(["a", "b", "c", "d"], path, column="site").tolist()
    assert third == fourth
    assert len({first, second, third}) == 3


def test_images_that_the_list_lacks_are_counted_and_one_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "path,group\na,1\n")
    with pytest.raises(DataError, match="has no row for 2 of 3 training images, such as 'x/b'; its paths must be"):
        group_images(["a", "x/b", "c"], path, column="group")
