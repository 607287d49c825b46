"""An index that disagrees with its file, or is damaged."""

from pathlib import Path

import pytest

from birdnet_cli.core.data import RecordReader
from birdnet_cli.core.data.recordio.reader import read_index
from birdnet_cli.core.errors import DataError, ImageError
from tests.core.data.recordio.four_records import SIZE, STARTS


def test_index_that_leaves_a_record_out_is_refused_where_it_shows(indexed: Path) -> None:
    index = indexed.with_suffix(".idx")
    index.write_text("0\t0\n1\t40\n2\t48\n")
    with RecordReader(indexed) as reader, pytest.raises(DataError) as caught:
        reader.read(0)
    assert str(caught.value) == (
        f"{indexed}: byte 0: the record ends at byte 16, according to {index} at 40"
        "; remove the index, which is optional, or write it again"
    )


def test_index_into_the_midst_of_a_record_is_refused_where_it_shows(indexed: Path) -> None:
    indexed.with_suffix(".idx").write_text("0\t0\n1\t16\n2\t28\n3\t40\n4\t48\n")
    with RecordReader(indexed) as reader:
        with pytest.raises(DataError, match=r"byte 16: the record ends at byte 40, according to .* at 28"):
            reader.read(1)
        with pytest.raises(ImageError, match="byte 28: expected the start of a record, found a part of kind 3"):
            reader.read(2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an index without an entry; remove it, or write it again"),
        ("\n \n", "an index without an entry"),
        ("0\t0\n1\n", ", line 2: expected `KEY BYTE`, got '1'"),
        ("0\t0\t0\n", ", line 1: expected `KEY BYTE`, got '0\\t0\\t0'"),
        ("0\t-4\n", ", line 1: expected `KEY BYTE`, got '0\\t-4'"),
        ("zero\t0\n", ", line 1: expected `KEY BYTE`, got 'zero\\t0'"),
        ("0\t٤\n", ", line 1: expected `KEY BYTE`"),
        ("0\t" + "9" * 5000, ", line 1: expected `KEY BYTE`"),
        ("0\t0\n0\t16\n", ", line 2: key 0 or byte 16 is listed twice"),
        ("0\t0\n1\t0\n", ", line 2: key 1 or byte 0 is listed twice"),
        ("0\t0\n1\t18\n", ", line 2: no record can begin at byte 18 of a file of 156 bytes"),
        ("0\t0\n1\t152\n", ", line 2: no record can begin at byte 152 of a file of 156 bytes"),
        ("0\t99999996\n", ", line 1: no record can begin at byte 99,999,996 of a file of 156 bytes"),
    ],
)
def test_damaged_index_is_refused_with_its_line(indexed: Path, text: str, message: str) -> None:
    index = indexed.with_suffix(".idx")
    index.write_text(text)
    with RecordReader(indexed) as reader, pytest.raises(DataError) as caught:
        reader.read(0)
    assert str(caught.value).startswith(f"{index}")
    assert message in str(caught.value)


def test_index_maps_keys_to_bytes(indexed: Path) -> None:
    assert read_index(indexed.with_suffix(".idx"), size=SIZE) == dict(enumerate(STARTS))
