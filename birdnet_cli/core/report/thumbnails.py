"""Images of known SHA-256 -> small square JPEGs as data URIs, up to a total size."""

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray
from PIL import Image, ImageOps

from birdnet_cli.core.data import Sample, decode_image, read_image_file
from birdnet_cli.core.errors import ImageError

__all__ = ["Thumbnails"]

SIDE = 176  # pixels; shown at half this width, for screens with two pixels per point
QUALITY = 80
BUDGET = 1_500_000  # bytes of JPEG in one page; base64 adds a third


class Pictured(Protocol):
    """N images by name and digest, such as `core.evaluation.Outcomes`."""

    @property
    def names(self) -> Sequence[str]:
        """N image names."""

    @property
    def digests(self) -> NDArray[Any]:
        """uint8 [N, 32], SHA-256 of the images' files."""


class Thumbnails:
    """Makes thumbnails of images; each thumbnail is made once.

    Args:
        images: names and digests of the images.
        samples: image name -> its file; empty if no image is to be shown.
        budget: total bytes of JPEG; no thumbnail is made beyond it.

    Attributes:
        refused: number of requested images whose file is missing, cannot be read, or has another SHA-256.
    """

    def __init__(self, images: Pictured, samples: Mapping[str, Sample], *, budget: int = BUDGET) -> None:
        self.refused = 0
        self._images = images
        self._samples = samples
        self._left = budget
        self._made: dict[int, str | None] = {}

    def __bool__(self) -> bool:
        return bool(self._samples)

    def uri(self, row: int) -> str | None:
        """Return the thumbnail of image `row` as a data URI; None if it cannot be shown."""
        if row not in self._made:
            self._made[row] = self._make(row) if self._samples else None
        return self._made[row]

    def _make(self, row: int) -> str | None:
        if self._left <= 0:
            return None
        sample = self._samples.get(self._images.names[row])
        try:
            data = b"" if sample is None else read_image_file(sample.path)
            # Another picture under the same name would show a mistake that the model did not make.
            if sample is None or hashlib.sha256(data).digest() != self._images.digests[row].tobytes():
                self.refused += 1
                return None
            image = decode_image(data, name=sample.name, box=sample.box)
        except ImageError:
            self.refused += 1
            return None
        buffer = io.BytesIO()
        square = ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS)
        square.save(buffer, "JPEG", quality=QUALITY, optimize=True)
        self._left -= buffer.tell()
        if self._left < 0:
            return None
        return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
