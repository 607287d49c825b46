from pathlib import Path

import pytest

from birdnet_cli.core.data import group_images, read_groups
from birdnet_cli.core.errors import DataError


def write(folder: Path, text: str) -> Path:
    path = folder / "groups.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_image_has_the_group_of_its_row(tmp_path: Path) -> None:
    path = write(tmp_path, "path,group\na/1.jpg,Ann\na/2.jpg, Bob \n\nb/3.jpg,Ann\n")
    assert read_groups(path) == {"a/1.jpg": "Ann", "a/2.jpg": "Bob", "b/3.jpg": "Ann"}


def test_the_list_of_a_data_set_serves_with_a_column_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, "Path,label,split,Site\n./a.jpg,wren,train,7\nb.jpg,wren,test,\n")
    assert read_groups(path, column="site") == {"a.jpg": "7", "b.jpg": ""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must name the columns path and group once each; it is ''"),
        ("path,site\na.jpg,1\n", "must name the columns path and group once each; it is 'path,site'"),
        ("path,group,group\na.jpg,1,2\n", "once each"),
        ("path,group\na.jpg\n", "line 2: expected 2 values, got 1"),
        ("path,group\na.jpg,1\n../a.jpg,1\n", "line 3: the path '../a.jpg' must be relative"),
        ("path,group\na.jpg,1\na.jpg,2\n", "line 3: a.jpg is in group '2' here and in '1' above"),
        ('path,group\n"a.jpg,1\n', "not CSV"),
    ],
)
def test_a_damaged_list_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as raised:
        read_groups(write(tmp_path, text))
    assert message in str(raised.value)


def test_an_image_listed_twice_alike_is_fine(tmp_path: Path) -> None:
    assert read_groups(write(tmp_path, "path,group\na.jpg,1\na.jpg,1\n")) == {"a.jpg": "1"}


def test_an_absent_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: the list cannot be read"):
        read_groups(tmp_path / "none.csv")


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
