"""Fitted tensors of poolings (a PCA's matrix, selected components), descriptor -> tensor name -> array, in HDF5."""

from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from birdnet_cli.core.atomic import replace_atomically
from birdnet_cli.core.cache.columns import read_column
from birdnet_cli.core.cache.new_file import NewFile, create_hdf5
from birdnet_cli.core.errors import CacheError, NumericsError

__all__ = ["FittedTensors", "read_fitted_file", "write_fitted_file", "write_fitted_tensors"]

FittedTensors: TypeAlias = dict[str, dict[str, NDArray[Any]]]


def write_fitted_tensors(new: NewFile, state: FittedTensors) -> None:
    """Store tensors as `state/<descriptor>/<tensor>`.

    Raises:
        CacheError: a tensor holds neither integers nor floating-point numbers.
        NumericsError: a tensor is not finite.
    """
    new.create_group("state")
    for descriptor, tensors in state.items():
        for name, tensor in tensors.items():
            if tensor.dtype.kind not in "iuf":
                raise CacheError(f"state '{descriptor}/{name}' is of type {tensor.dtype}: expected integers or floats")
            if not np.isfinite(tensor).all():
                raise NumericsError(f"state '{descriptor}/{name}' is not finite: look at the images it was fitted to")
            new.write_column(f"state/{descriptor}/{name}", tensor)


def write_fitted_file(path: Path, state: FittedTensors) -> None:
    """Write fitted tensors to a file of their own, whole or not at all.

    Raises:
        OSError: the disk refused.
    """
    with replace_atomically(path) as temporary, create_hdf5(temporary) as new:
        write_fitted_tensors(new, state)


def read_fitted_file(path: Path) -> FittedTensors:
    """Return what `write_fitted_file` wrote.

    Raises:
        CacheError: the file cannot be read, or a tensor does not match its checksum.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            return {
                descriptor: {name: read_column(dataset) for name, dataset in tensors.items()}
                for descriptor, tensors in file["state"].items()
            }
    except (OSError, RuntimeError, KeyError, CacheError) as error:
        raise CacheError(f"{path}: damaged ({' '.join(str(error).split())[:160]}): rerun with --no-resume") from error
