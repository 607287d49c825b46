"""Refuse a file that is not a whole, plain feature cache, before anything large is allocated.

Only hard links to datasets that lie in the file itself are accepted, of fixed-size types, with no filter but ours, and
with as many bytes stored as the shape says. So no read can leave the file, run foreign code, or need more memory than
the file is long (compressed descriptors: than one chunk).
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5z

from birdnet_cli.core.cache.layout import DTYPES, FORMAT_VERSION, check_descriptor, chunk_rows
from birdnet_cli.core.errors import CacheError

__all__ = ["CacheShape", "damage_as_cache_error", "validate_cache"]

GZIP = (h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE)
MAX_ATTRIBUTE_BYTES = 1 << 16
MAX_TEXT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class CacheShape:
    """Sizes, types and attributes of a validated file.

    Attributes:
        rows: N.
        dtype: storage type of the descriptors.
        descriptors: name -> D.
        compressed: whether the descriptors are gzipped.
        fingerprint: the settings that decided the numbers.
        provenance: versions, sources and times.
        samples: sha256 of the list of images.
    """

    rows: int
    dtype: str
    descriptors: dict[str, int]
    compressed: bool
    fingerprint: dict[str, Any]
    provenance: dict[str, Any]
    samples: str


@contextmanager
def damage_as_cache_error(path: Path) -> Iterator[None]:
    """Turn an error of h5py on a damaged or foreign file into a CacheError of a single line that names the file."""
    try:
        yield
    except CacheError as error:
        raise CacheError(f"{path}: {error}") from error
    except PermissionError as error:
        raise CacheError(f"{path}: may not be read by this user: {error.strerror or error}") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        detail = " ".join(str(error).split())[:160]
        raise CacheError(f"{path}: not a feature cache, or damaged ({detail})") from error


def validate_cache(file: h5py.File) -> CacheShape:
    """Check an open file against the format.

    Raises:
        CacheError: the file departs from the format; the message says where.
        OSError, RuntimeError, KeyError, ValueError, TypeError: HDF5 cannot read the file.
    """
    version = _attribute(file, "format_version", kind="i")
    if version != FORMAT_VERSION:
        raise CacheError(f"format {version}, this fbn reads format {FORMAT_VERSION}: extract again, or upgrade fbn")
    for group in (file, *(_group(file, key) for key in ("features", "crc32", "state"))):
        for key in group:
            _require_hard_link(group, key)
    for tensors in (_group(file["state"], key) for key in file["state"]):
        for key in tensors:
            _column(tensors, key, kinds="iuf")
    (N,) = _column(file, "status", kinds="u").shape
    (_,) = _column(file, "classes", kinds="S").shape
    for key in ("path", "split", "error"):
        _column(file, key, kinds="S", shape=(N,))
    _column(file, "label", kinds="i", shape=(N,))
    _column(file, "sha256", kinds="u", shape=(N, 32))
    names = sorted(file["features"])
    if not N or not names:
        raise CacheError("holds no rows or no descriptors")
    for name in names:
        _column(file["crc32"], name, kinds="u", shape=(N,))
    filters = {name: _features(file["features"], name, N) for name in names}
    dtypes = {file["features"][name].dtype.name for name in names}
    if len(dtypes) != 1 or len(set(filters.values())) != 1:
        raise CacheError("its descriptors differ in type or in compression")
    return CacheShape(
        rows=N,
        dtype=dtypes.pop(),
        descriptors={name: file["features"][name].shape[1] for name in names},
        compressed=filters[names[0]] == GZIP,
        fingerprint=_mapping(file, "fingerprint"),
        provenance=_mapping(file, "provenance"),
        samples=_attribute(file, "samples", kind="S").decode("ascii"),
    )


def _require_hard_link(group: h5py.Group, key: str) -> None:
    link = group.get(key, getlink=True)
    if link is None:
        raise CacheError(f"lacks '{key}': not a feature cache")
    if not isinstance(link, h5py.HardLink):
        raise CacheError(f"'{key}' is a link to another place: a feature cache holds none")


def _group(parent: h5py.Group, key: str) -> h5py.Group:
    _require_hard_link(parent, key)
    group = parent[key]
    if not isinstance(group, h5py.Group):
        raise CacheError(f"'{key}' is not a group")
    return group


def _dataset(group: h5py.Group, key: str) -> h5py.Dataset:
    _require_hard_link(group, key)
    dataset = group[key]
    if not isinstance(dataset, h5py.Dataset):
        raise CacheError(f"'{key}' is not a dataset")
    layout = dataset.id.get_create_plist()
    if layout.get_layout() not in (h5d.CONTIGUOUS, h5d.CHUNKED) or layout.get_external_count():
        raise CacheError(f"'{dataset.name}' stores its values outside this file")
    return dataset


def _column(group: h5py.Group, key: str, *, kinds: str, shape: tuple[int, ...] | None = None) -> h5py.Dataset:
    dataset = _dataset(group, key)
    if dataset.dtype.kind not in kinds or dataset.dtype.itemsize > MAX_TEXT_BYTES or dataset.shape is None:
        raise CacheError(f"'{dataset.name}' has an unexpected type ({dataset.dtype})")
    if shape is not None and dataset.shape != shape:
        raise CacheError(f"'{dataset.name}' has shape {dataset.shape} instead of {shape}")
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.chunks is not None or dataset.id.get_storage_size() != size or size > dataset.file.id.get_filesize():
        raise CacheError(f"'{dataset.name}' is not stored whole")
    _attribute(dataset, "crc32", kind="u")
    return dataset


def _features(group: h5py.Group, name: str, N: int) -> tuple[int, ...]:
    dataset = _dataset(group, name)
    dtype = dataset.dtype.name
    if dtype not in DTYPES or dataset.dtype != np.dtype(dtype) or len(dataset.shape) != 2 or dataset.shape[0] != N:
        raise CacheError(f"'{dataset.name}' is {dataset.dtype} {dataset.shape}: expected float16 or float32 [{N}, D]")
    D = dataset.shape[1]
    check_descriptor(name, D)
    r = chunk_rows(D, dtype=dtype, rows=N)
    chunks = -(-N // r)
    layout = dataset.id.get_create_plist()
    filters = tuple(layout.get_filter(index)[0] for index in range(layout.get_nfilters()))
    if dataset.chunks != (r, D) or filters not in ((), GZIP):
        raise CacheError(f"'{dataset.name}' has chunks {dataset.chunks} and filters {filters} that fbn does not write")
    stored = dataset.id.get_storage_size()
    whole = filters == GZIP or stored == chunks * r * D * dataset.dtype.itemsize
    if not whole or stored > dataset.file.id.get_filesize() or dataset.id.get_num_chunks() != chunks:
        raise CacheError(f"'{dataset.name}' is not stored whole")
    return filters


def _attribute(owner: h5py.Group | h5py.Dataset, key: str, *, kind: str) -> Any:
    attribute = h5a.open(owner.id, key.encode())
    dtype = attribute.dtype
    if attribute.shape != () or dtype.kind != kind or dtype.itemsize > MAX_ATTRIBUTE_BYTES:
        raise CacheError(f"attribute '{key}' has an unexpected type ({dtype})")
    value = np.zeros((), dtype)
    attribute.read(value)
    return value[()]


def _mapping(file: h5py.File, key: str) -> dict[str, Any]:
    mapping = json.loads(_attribute(file, key, kind="S").decode("utf-8"))
    if not isinstance(mapping, dict):
        raise CacheError(f"attribute '{key}' is not a JSON mapping")
    return mapping
