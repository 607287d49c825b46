"""Every colour mode becomes 8-bit RGB."""

import struct

import numpy as np
import pytest
from PIL import Image

from birdnet_cli.core.data import decode_image


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


def test_grey_becomes_three_equal_channels(encode, noise) -> None:
    grey = noise(channels=1)[:, :, 0]
    assert np.array_equal(pixels(decode_image(encode(grey, "PNG"))), np.stack([grey] * 3, axis=2))


def test_sixteen_bit_grey_is_scaled_and_rounded_not_clipped(encode) -> None:
    levels = np.array([[0, 128, 129, 255, 256, 257, 4097, 32768, 65406, 65407, 65535]], dtype=np.uint16)
    decoded = pixels(decode_image(encode(levels, "PNG")))
    assert decoded[0, :, 0].tolist() == [0, 0, 1, 1, 1, 1, 16, 128, 254, 255, 255]
    assert np.array_equal(decoded[0, :, 0], np.rint(levels[0] / 257))
    assert (decoded == decoded[:, :, :1]).all()


def test_transparent_level_of_sixteen_bit_grey_becomes_white(encode) -> None:
    levels = np.array([[0, 4097, 4098]], dtype=np.uint16)
    decoded = pixels(decode_image(encode(levels, "PNG", transparency=4097)))
    assert decoded[0, :, 0].tolist() == [0, 255, 16]


def test_sixteen_bit_colour_keeps_the_high_byte(raw_png) -> None:
    data = raw_png(2, 1, depth=16, rows=b"\0" + struct.pack(">6H", 0, 257, 32768, 65535, 511, 512))
    assert pixels(decode_image(data)).reshape(-1).tolist() == [0, 1, 128, 255, 1, 2]


def test_adobe_cmyk_is_converted_and_not_inverted(encode) -> None:
    # Pillow writes CMYK as Adobe does: inverted.
    decoded = pixels(decode_image(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)))
    assert np.abs(decoded.astype(int) - [255, 0, 0]).max() <= 2


def test_transparency_is_laid_over_white(encode) -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [255, 0, 0, 51], [0, 0, 0, 102]]], dtype=np.uint8)
    expected = [[255, 0, 0], [255, 255, 255], [255, 204, 204], [153, 153, 153]]
    assert pixels(decode_image(encode(rgba, "PNG")))[0].tolist() == expected
    webp = encode(rgba, "WEBP", lossless=True, exact=True)
    assert pixels(decode_image(webp))[0].tolist() == expected


def test_palette_with_transparency_is_laid_over_white(encode) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 255, 0, 0])
    image.putdata([0, 1, 2])
    assert pixels(decode_image(encode(image, "PNG")))[0].tolist() == [[10, 20, 30], [40, 50, 60], [255, 0, 0]]
    one_entry, alphas = encode(image, "PNG", transparency=1), encode(image, "PNG", transparency=bytes([255, 0, 51]))
    assert pixels(decode_image(one_entry))[0].tolist() == [[10, 20, 30], [255, 255, 255], [255, 0, 0]]
    assert pixels(decode_image(alphas))[0].tolist() == [[10, 20, 30], [255, 255, 255], [255, 204, 204]]


def test_transparent_colour_of_an_rgb_image_becomes_white(encode) -> None:
    image = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8))
    assert pixels(decode_image(encode(image, "PNG", transparency=(4, 5, 6))))[0].tolist() == [[1, 2, 3], [255] * 3]


def test_one_bit_image_is_black_and_white(encode) -> None:
    image = Image.fromarray(np.array([[True, False]]))
    assert pixels(decode_image(encode(image, "PNG")))[0].tolist() == [[255] * 3, [0] * 3]


@pytest.mark.parametrize(("format", "options"), [("WEBP", {"lossless": True}), ("PNG", {}), ("MPO", {"quality": 100})])
def test_first_frame_of_several_is_taken(format: str, options: dict[str, object], encode) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert np.abs(pixels(decode_image(data)).astype(int) - [255, 0, 0]).max() <= 2
