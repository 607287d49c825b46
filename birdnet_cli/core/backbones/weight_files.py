"""Read the tensors of a safetensors, .pth, .pt or ONNX file; no code in the file is executed."""

import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from birdnet_cli.core.backbones.onnx_weights import read_onnx_weights
from birdnet_cli.core.backbones.preprocessing import NAMED, Preprocessing
from birdnet_cli.core.errors import ModelFileError, WeightsError

__all__ = ["WeightFile", "read_weight_file"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".onnx")


@dataclass(frozen=True, eq=False)
class WeightFile:
    """The content of a weight file.

    Attributes:
        tensors: tensors by their names in the file; those of an ONNX file without published names have the names of
            `expected`.
        preprocessing: the preprocessing in the file's metadata; None if it has none.
    """

    tensors: dict[str, Tensor]
    preprocessing: Preprocessing | None


def read_weight_file(path: Path, expected: Mapping[str, Tensor]) -> WeightFile:
    """Read a weight file.

    Args:
        path: .safetensors; .pth or .pt with a state dict, read with `weights_only`; or .onnx.
        expected: the network's tensors in the order of computation, by which an ONNX file's convolutions are found.

    Raises:
        WeightsError: the file is absent, damaged, no state dict, has another suffix, or would run code when read.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; weights are 'auto', 'none', or a {', '.join(SUFFIXES)} file")
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _read_safetensors(path)
    if suffix in (".pth", ".pt"):
        return WeightFile(_read_pth(path), None)
    if suffix == ".onnx":
        return WeightFile(read_onnx_weights(path, expected), None)
    raise WeightsError(f"{path}: expected a weight file that ends in {', '.join(SUFFIXES)}")


def _read_safetensors(path: Path) -> WeightFile:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            text = (file.metadata() or {}).get("preprocessing")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file: {error}") from error
    if text is None or text in NAMED:
        return WeightFile(tensors, NAMED[text] if text else None)
    try:
        return WeightFile(tensors, Preprocessing.from_json(json.loads(text)))
    except (ModelFileError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: its metadata's preprocessing cannot be read: {error}") from error


def _read_pth(path: Path) -> dict[str, Tensor]:
    try:
        # Only the zip format, which torch has written since 1.6, can be mapped.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: refused, because it is no plain state dict: reading it could run code ({_summarise(error)}); "
            f"save the tensors alone, best as .safetensors"
        ) from error
    except Exception as error:
        # On damaged bytes the restricted unpickler raises exceptions of many types.
        raise WeightsError(f"{path}: damaged or not written by torch.save: {_summarise(error)}") from error
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path}: expected a state dict (name -> tensor), got a {type(state).__name__}")
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor) and _is_plain(value)}


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and not (tensor.is_quantized or tensor.is_meta)


def _summarise(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
