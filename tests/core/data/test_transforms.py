"""Squash, crop and letterbox."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from birdnet_cli.core.data import LETTERBOX_COLOUR, Transform
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import TransformSettings

RESIZES = ["squash", "crop", "letterbox"]


def transform(image: Image.Image, resize: str, *, size: int = 16) -> torch.Tensor:
    settings = TransformSettings.model_validate({"image_size": size, "resize": resize})
    return Transform(settings)(image)


def gradient(W: int, H: int) -> Image.Image:
    x, y = np.meshgrid(np.arange(W), np.arange(H))
    return Image.fromarray(
        np.stack([x * 255 // max(W - 1, 1), y * 255 // max(H - 1, 1), (x * y) % 256], axis=2).astype(np.uint8)
    )


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize(("W", "H"), [(1, 1), (1, 10000), (10000, 1), (30, 20), (20, 30), (16, 16), (17, 16)])
def test_any_size_becomes_a_contiguous_square_of_bytes(resize: str, W: int, H: int) -> None:
    square = transform(gradient(W, H), resize)
    assert square.shape == (3, 16, 16)
    assert square.dtype == torch.uint8
    assert square.is_contiguous()


@pytest.mark.parametrize("resize", RESIZES)
def test_image_of_the_right_size_is_unchanged_with_red_first(resize: str) -> None:
    image = gradient(16, 16)
    assert np.array_equal(transform(image, resize).permute(1, 2, 0).numpy(), np.asarray(image))


def test_squash_uses_the_whole_image() -> None:
    image = Image.new("RGB", (64, 16), "black")
    image.paste((255, 0, 0), (32, 0, 64, 16))
    red = transform(image, "squash")[0]
    assert (red[:, :7] == 0).all()
    assert (red[:, 9:] == 255).all()


@pytest.mark.parametrize(("W", "H"), [(65, 32), (32, 65)])
def test_crop_takes_the_centre_square_and_the_odd_pixel_off_the_far_side(W: int, H: int) -> None:
    image = gradient(W, H)
    left, top = (W - 32) // 2, (H - 32) // 2
    centre = image.crop((left, top, left + 32, top + 32))
    # Away from the border, where the filter may see what the crop left out.
    assert torch.equal(transform(image, "crop")[:, 1:-1, 1:-1], transform(centre, "squash")[:, 1:-1, 1:-1])


def test_letterbox_keeps_the_aspect_and_pads_with_the_mean_colour() -> None:
    square = transform(Image.new("RGB", (64, 32), "white"), "letterbox")
    assert (square[:, 4:12] == 255).all()
    padding = torch.cat([square[:, :4], square[:, 12:]], dim=1)
    assert LETTERBOX_COLOUR == (124, 116, 104)
    assert torch.equal(padding, torch.tensor(LETTERBOX_COLOUR, dtype=torch.uint8)[:, None, None].expand_as(padding))


def test_letterbox_of_a_thin_line_keeps_one_pixel() -> None:
    square = transform(Image.new("RGB", (10000, 1), "white"), "letterbox")
    assert [row for row in range(16) if (square[:, row] == 255).all()] == [7]


def test_downscaling_is_antialiased() -> None:
    stripes = np.zeros((160, 160, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    assert (transform(Image.fromarray(stripes), "squash").float() - 127.5).abs().max() < 16


@pytest.mark.parametrize(
    ("resize", "digest"),
    [
        ("squash", "877c3579a112d281"),
        ("crop", "ada92d68b13817cd"),
        ("letterbox", "a89a3af757923643"),
    ],
)
def test_pixels_are_those_of_the_first_release(resize: str, digest: str) -> None:
    square = transform(gradient(301, 211), resize, size=64)
    assert hashlib.sha256(square.numpy().tobytes()).hexdigest()[:16] == digest


def test_other_modes_than_rgb_are_refused() -> None:
    with pytest.raises(UsageError, match="expected an RGB image, as decode_image returns; got mode 'L'"):
        transform(Image.new("L", (4, 4)), "squash")
