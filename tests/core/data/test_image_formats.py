"""Which bytes are decoded, and which are refused before they are."""

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from birdnet_cli.core.data import decode_image
from birdnet_cli.core.errors import ImageError


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_decode_to_the_pixels_that_were_saved(
    format: str, options: dict[str, object], encode, noise
) -> None:
    assert np.array_equal(pixels(decode_image(encode(noise(), format, **options))), noise())


def test_jpeg_is_decoded_at_full_resolution(encode, noise) -> None:
    data = encode(noise(640, 480), "JPEG")
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(pixels(decode_image(data)), np.asarray(image))


def test_file_and_its_bytes_decode_alike(tmp_path: Path, encode, noise) -> None:
    data = encode(noise(), "JPEG")
    (tmp_path / "a.png").write_bytes(data)
    assert np.array_equal(pixels(decode_image(tmp_path / "a.png")), pixels(decode_image(data)))


@pytest.mark.parametrize("format", ["GIF", "TIFF", "PPM", "ICO", "EPS", "TGA", "PDF"])
def test_other_formats_are_never_parsed(format: str, monkeypatch: pytest.MonkeyPatch, encode, noise) -> None:
    data = encode(noise(32, 32), format)
    Image.init()

    def refuse(*arguments: object) -> None:
        pytest.fail(f"{format} was parsed")

    if format in Image.OPEN:
        monkeypatch.setitem(Image.OPEN, format, (refuse, None))
    with pytest.raises(ImageError, match=r"a\.jpg: not a JPEG, PNG, WebP or BMP image"):
        decode_image(data, name="a.jpg")


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"hello, world" * 9, b"\xff\xd8\xff", b"BM", b"RIFF0000WEBP"])
def test_text_and_bare_headers_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(data)


@pytest.mark.parametrize(("format", "options"), [("JPEG", {}), ("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_truncated_image_is_refused(format: str, options: dict[str, object], kept: float, encode, noise) -> None:
    data = encode(noise(40, 40), format, **options)
    with pytest.raises(ImageError, match="damaged"):
        decode_image(data[: int(len(data) * kept)])


@pytest.mark.parametrize(("error", "reason"), [(ValueError("two\nlines"), "two lines"), (EOFError(), "EOFError")])
def test_whatever_a_parser_raises_becomes_one_line(
    monkeypatch: pytest.MonkeyPatch, encode, noise, error: Exception, reason: str
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(ImageError, match=f"^a.png: damaged: {reason}$"):
        decode_image(encode(noise(), "PNG"), name="a.png")


@pytest.mark.parametrize(("W", "H"), [(9500, 9500), (20000, 10000), (2**31 - 1, 2**31 - 1)])
def test_bomb_is_refused_from_its_header(raw_png, W: int, H: int) -> None:
    with pytest.raises(ImageError, match=r"more than 67,108,864 pixels$"):
        decode_image(raw_png(W, H))


def test_side_above_the_limit_is_refused_from_its_header(raw_png) -> None:
    with pytest.raises(ImageError, match="1x32769 is more than 32,768 pixels a side"):
        decode_image(raw_png(1, 32769))


@pytest.mark.parametrize(("W", "H"), [(1, 1), (1, 10000), (10000, 1)])
def test_tiny_and_extreme_images_are_decoded(W: int, H: int, encode, noise) -> None:
    assert decode_image(encode(noise(W, H), "PNG")).size == (W, H)


@pytest.fixture(scope="session")
def originals(encode, noise) -> list[bytes]:
    plain = [encode(noise(), format) for format in ("PNG", "JPEG", "BMP")]
    return [*plain, encode(noise(channels=4), "WEBP", lossless=True)]


@settings(max_examples=300, deadline=None)
@given(
    which=st.integers(0, 3),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    kept=st.integers(1, 1000),
)
def test_damaged_bytes_give_an_image_or_an_image_error(
    originals: list[bytes], which: int, edits: list[tuple[int, int]], kept: int
) -> None:
    data = bytearray(originals[which])
    for place, value in edits:
        data[place % len(data)] = value
    with suppress(ImageError):
        assert decode_image(bytes(data[:kept]), name="fuzz").mode == "RGB"
