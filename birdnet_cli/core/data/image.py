"""Read and decode an image file: path -> bytes -> upright 8-bit RGB image.

`predict` of a single file and batches of a data set both decode here, so they see the same pixels.
"""

import io
import math
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from birdnet_cli.core.data.regular_file import open_regular, read_span
from birdnet_cli.core.errors import ImageError

__all__ = ["MAX_FILE_BYTES", "MAX_PIXELS", "MAX_SIDE", "check_file_size", "decode_image", "read_image_file"]

MAX_FILE_BYTES = 256 * 2**20
MAX_PIXELS = 64 * 2**20
# The first pass of a resize keeps the full height, so a 1-pixel column of any length would need unbounded memory.
MAX_SIDE = 32_768
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image_file(path: Path, *, size: int | None = None, mtime_ns: int | None = None) -> bytes:
    """Return the bytes of a regular file; pipes and devices are refused without waiting.

    Args:
        path: the file; links are followed.
        size: its size in bytes when it was listed; None if that was not recorded.
        mtime_ns: its modification time when it was listed; None if that was not recorded.

    Raises:
        ImageError: the path is no regular file or a dangling or circular link, or the file is unreadable, empty,
            above 256 MiB, or has another size or modification time than when it was listed.
    """
    with open_regular(path, size=size, mtime_ns=mtime_ns) as (descriptor, before):
        check_file_size(str(path), before.st_size)
        data = read_span(descriptor, 0, before.st_size + 1)
        after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or len(data) != after.st_size:
        raise ImageError(str(path), "changed while it was read")
    return data


def check_file_size(path: str, size: int) -> None:
    """Check the size of an image file.

    Args:
        path: the file, for the error message.
        size: its size in bytes.

    Raises:
        ImageError: the size is 0 or above 256 MiB.
    """
    if not size:
        raise ImageError(path, "zero bytes")
    if size > MAX_FILE_BYTES:
        raise ImageError(path, f"{size:,} bytes; at most {MAX_FILE_BYTES:,} are read")


def decode_image(
    source: Path | bytes, *, name: str | None = None, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """Decode a JPEG, PNG, WebP or BMP image to upright 8-bit RGB; other formats are never parsed.

    Decoding is at full resolution. Grey becomes three equal channels; 16-bit grey v becomes round(v / 257); of 16-bit
    colour Pillow keeps the high byte, at most a level below round(v / 257); palettes and CMYK (Adobe's inverted form,
    too) are converted; transparency is laid over white; of an animation the first frame is taken; colour profiles and
    unreadable EXIF are ignored; EXIF's orientation is applied last. Images from 1x1 pixel to 32,768 pixels a side and
    64 Mi pixels in all are decoded; both limits are checked before decoding.

    Args:
        source: path of a file, or the bytes of a file.
        name: the image's name in an error message; by default the path.
        box: x, y, width, height of a crop, in pixels of the stored image before its orientation is applied. Fractions
            are widened to whole pixels, and the part outside the image is left out.

    Returns:
        A mode "RGB" image.

    Raises:
        ImageError: the file cannot be read, has another format, is damaged, truncated or too large, or the box holds
            no pixel.
    """
    data = read_image_file(source) if isinstance(source, Path) else source
    name = name if name is not None else str(source) if isinstance(source, Path) else "image"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_dimensions(name, image.size)
                image.load()
                orientation = _read_orientation(image)
                crop = image.crop(_whole_pixels(name, box, image.size)) if box is not None else image
                rgb = _convert_to_rgb(crop)
        except ImageError:
            raise
        except UnidentifiedImageError as error:
            raise ImageError(name, "not a JPEG, PNG, WebP or BMP image, or its header is damaged") from error
        except Image.DecompressionBombError as error:
            raise ImageError(name, f"more than {MAX_PIXELS:,} pixels") from error
        except Exception as error:
            # Pillow's parsers raise exceptions of many types on damaged bytes.
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(name, f"damaged: {reason}") from error
    return rgb.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else rgb


def _check_dimensions(name: str, size: tuple[int, int]) -> None:
    W, H = size
    if W * H > MAX_PIXELS:
        raise ImageError(name, f"{W}x{H} is more than {MAX_PIXELS:,} pixels")
    if max(W, H) > MAX_SIDE:
        raise ImageError(name, f"{W}x{H} is more than {MAX_SIDE:,} pixels a side")


def _read_orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(_ORIENTATION_TAG)
    except Exception:
        # decode_image treats damaged EXIF as absent: the pixels may still be sound.
        return None


def _whole_pixels(
    name: str, box: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    x, y, width, height = box
    left, top = max(0, math.floor(x)), max(0, math.floor(y))
    right, bottom = min(size[0], math.ceil(x + width)), min(size[1], math.ceil(y + height))
    if width <= 0 or height <= 0 or left >= right or top >= bottom:
        raise ImageError(name, f"the box x={x:g} y={y:g} {width:g}x{height:g} holds no pixel of {size[0]}x{size[1]}")
    return left, top, right, bottom


def _convert_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.uint32)
        grey = ((levels + 128) // 257).astype(np.uint8)
        grey[levels == image.info.get("transparency", -1)] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image if image.mode == "RGB" else image.convert("RGB")
