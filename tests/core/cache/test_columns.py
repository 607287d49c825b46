import os

import numpy as np
import pytest

from birdnet_cli.core.cache.columns import decode_texts, encode_texts
from birdnet_cli.core.errors import CacheError


def test_texts_come_back_whatever_bytes_they_hold():
    texts = (os.fsdecode(b"\xff\xfe.jpg"), "two\nlines", "🐦", "", "é")
    assert decode_texts(encode_texts(texts)) == texts


def test_texts_are_stored_as_the_bytes_of_the_file_name():
    assert encode_texts([os.fsdecode(b"\xff/\xc3\xa9")]).tolist() == [b"\xff/\xc3\xa9"]


def test_no_texts_are_an_empty_column():
    assert decode_texts(encode_texts([])) == ()
    assert encode_texts([""]).dtype == np.dtype("S1")


def test_a_nul_is_refused_as_it_would_vanish():
    with pytest.raises(CacheError, match="NUL"):
        encode_texts(["a\0"])
