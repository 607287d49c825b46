"""What `predict` makes of files, folders, patterns and lists."""

import os
from pathlib import Path

import pytest

from birdnet_cli.core.data import ImageRecord, read_sample, write_records
from birdnet_cli.core.data.sources import expand_sources, list_samples
from birdnet_cli.core.errors import DataError


@pytest.fixture
def album(tmp_path: Path) -> Path:
    names = ["b.jpg", "a.PNG", ".hidden.jpg", "notes.md", "trip/2/z.webp", "trip/10/y.jpeg", ".cache/x.jpg", "c.bmp"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def expand(*sources: object, stdin: list[str] | None = None) -> list[str]:
    return [str(path) for path in expand_sources([str(source) for source in sources], stdin=stdin or [])]


def test_a_file_is_itself_whatever_its_suffix_and_even_if_it_is_absent(album: Path) -> None:
    assert expand(album / "notes.md", album / "absent.jpg") == [str(album / "notes.md"), str(album / "absent.jpg")]


def test_a_folder_is_its_images_at_any_depth_sorted_and_without_what_is_hidden(album: Path) -> None:
    names = ["a.PNG", "b.jpg", "c.bmp", "trip/10/y.jpeg", "trip/2/z.webp"]
    assert expand(album) == [str(album / name) for name in names]


def test_a_hidden_folder_is_searched_when_it_is_named_itself(album: Path) -> None:
    assert expand(album / ".cache") == [str(album / ".cache" / "x.jpg")]


def test_a_pattern_is_its_matches_sorted_and_files_only(album: Path) -> None:
    (album / "folder.jpg").mkdir()
    assert expand(album / "*.jpg") == [str(album / "b.jpg")]
    assert expand(album / "**" / "*.jp*g") == [str(album / "b.jpg"), str(album / "trip/10/y.jpeg")]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(album: Path) -> None:
    (album / "b[1].jpg").touch()
    (album / "b1.jpg").touch()
    assert expand(album / "b[1].jpg") == [str(album / "b[1].jpg")]


def test_a_list_is_its_lines_relative_to_its_folder(album: Path) -> None:
    listing = album / "trip" / "list.txt"
    listing.write_bytes(b"\xef\xbb\xbf2/z.webp\r\n\r\n../b.jpg\n" + bytes(album / "a.PNG"))
    found = [os.path.normpath(path) for path in expand(listing)]
    assert found == [str(album / name) for name in ("trip/2/z.webp", "b.jpg", "a.PNG")]


def test_blanks_in_a_listed_name_are_part_of_it(album: Path) -> None:
    (album / "list.txt").write_text(" two words .jpg\n")
    assert expand(album / "list.txt") == [str(album / " two words .jpg")]


def test_a_line_that_names_a_folder_is_one_path_and_not_searched(album: Path) -> None:
    (album / "list.txt").write_text("trip\n")
    assert expand(album / "list.txt") == [str(album / "trip")]


def test_a_dash_is_the_lines_of_stdin_relative_to_the_current_folder() -> None:
    assert expand("-", stdin=["a.jpg\n", "\n", "/b c.jpg\r\n", "d.jpg"]) == ["a.jpg", "/b c.jpg", "d.jpg"]


def test_sources_keep_their_order_and_repetitions(album: Path) -> None:
    sources = [album / "trip", album / "b.jpg", album / "b.jpg", album / "*.bmp"]
    names = ["trip/10/y.jpeg", "trip/2/z.webp", "b.jpg", "b.jpg", "c.bmp"]
    assert expand(*sources) == [str(album / name) for name in names]


def test_a_name_that_is_no_utf8_is_found_in_every_way(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x90\xa6.jpg")
    (tmp_path / name).touch()
    (tmp_path / "list.txt").write_bytes(os.fsencode(name) + b"\n")
    for source in (tmp_path / name, tmp_path, tmp_path / "*.jpg", tmp_path / "list.txt"):
        assert expand(source) == [str(tmp_path / name)]


def test_a_folder_without_an_image_is_an_error_that_says_what_images_are(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no image \(\.bmp, \.jpeg, \.jpg, \.png, \.webp\) below it"):
        expand(tmp_path / "empty")


def test_a_pattern_without_a_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\*\.jpg: the pattern matches no file"):
        expand(tmp_path / "*.jpg")


def test_a_circle_of_links_does_not_go_on_for_ever(album: Path) -> None:
    (album / "trip" / "loop").symlink_to(album)
    assert len(expand(album)) == 5


def test_nothing_is_looked_at_before_it_is_asked_for(album: Path) -> None:
    paths = expand_sources([str(album / "b.jpg"), str(album / "no*match")])
    assert next(paths) == album / "b.jpg"


@pytest.fixture
def records(album: Path) -> Path:
    with write_records(album / "a.rec") as writer:
        for number in range(3):
            writer.write(ImageRecord((0.5,), number, 0, str(number).encode()))
    return album / "a.rec"


def named(*paths: Path) -> list[str]:
    return [sample.name for sample in list_samples(paths)]


def test_a_record_file_is_its_records_whatever_their_labels(album: Path, records: Path) -> None:
    assert named(album / "b.jpg", records, album / "c.bmp") == [
        str(album / "b.jpg"), f"{records}#0", f"{records}#1", f"{records}#2", str(album / "c.bmp"),
    ]  # fmt: skip
    samples = list(list_samples([records]))
    assert [read_sample(sample) for sample in samples] == [b"0", b"1", b"2"]
    assert [sample.location for sample in samples] == named(records)


def test_a_single_record_can_be_named(records: Path) -> None:
    assert named(Path(f"{records}#2")) == [f"{records}#2"]
    with pytest.raises(DataError, match=r"a\.rec: expected the number of a record, 0 to 2; got 3"):
        named(Path(f"{records}#3"))


def test_a_file_that_is_named_like_a_record_is_that_file(records: Path) -> None:
    path = Path(f"{records}#2")
    path.write_bytes(b"an image")
    (sample,) = list_samples([path])
    assert (sample.record, read_sample(sample)) == (None, b"an image")


def test_a_record_file_that_is_not_there_is_a_row(album: Path) -> None:
    assert named(album / "no.rec", album / "no.rec#1") == [str(album / "no.rec"), str(album / "no.rec#1")]


def test_a_damaged_record_file_is_an_error_with_its_byte(records: Path) -> None:
    records.write_bytes(b"no records")
    with pytest.raises(DataError, match=r"a\.rec: byte 0: expected RecordIO's magic"):
        named(records)
