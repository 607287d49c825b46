"""EXIF orientation, damaged metadata and boxes."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from birdnet_cli.core.data import decode_image
from birdnet_cli.core.errors import ImageError

ORIENTATION = 0x0112


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_every_exif_orientation_decodes_to_the_same_upright_image(
    orientation: int, format: str, options: dict[str, object], encode, noise
) -> None:
    upright = Image.fromarray(noise())
    operation = STORED_AS[orientation]
    stored = upright if operation is None else upright.transpose(operation)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    assert np.array_equal(pixels(decode_image(encode(stored, format, exif=exif, **options))), noise())


@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9])
def test_jpeg_orientation_agrees_with_pillow(orientation: int, encode, noise) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encode(noise(16, 8), "JPEG", exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(pixels(decode_image(data)), np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0junk", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_damaged_exif_and_colour_profile_are_ignored_without_a_warning(format: str, exif: bytes, encode, noise) -> None:
    image = Image.fromarray(noise(16, 16))
    plain = pixels(decode_image(encode(image, format)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = encode(image, format, exif=exif, icc_profile=b"junk" * 40)
    assert np.array_equal(pixels(decode_image(odd)), plain)


def test_box_is_in_the_stored_frame_and_widened_to_whole_pixels(encode, noise) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    decoded = decode_image(encode(noise(), "PNG", exif=exif), box=(1.5, 0.5, 3.0, 2.0))
    # x 1.5..4.5 and y 0.5..2.5 widen to columns 1..4 and rows 0..2; orientation 6 then turns them clockwise.
    assert np.array_equal(pixels(decoded), np.rot90(noise()[0:3, 1:5], k=-1))


def test_box_is_clamped_to_the_image(encode, noise) -> None:
    data = encode(noise(), "PNG")
    assert np.array_equal(pixels(decode_image(data, box=(-3, -3, 5, 100))), noise()[:, :2])


@pytest.mark.parametrize("box", [(7, 0, 3, 3), (0, 5, 3, 3), (-4, 0, 4, 3), (2, 2, 0, 3), (2.5, 2, 0, 3), (2, 2, 3, 0)])
def test_box_without_a_pixel_is_refused(box: tuple[float, float, float, float], encode, noise) -> None:
    with pytest.raises(ImageError, match=r"b\.png: the box x=.* holds no pixel of 7x5"):
        decode_image(encode(noise(), "PNG"), name="b.png", box=box)
