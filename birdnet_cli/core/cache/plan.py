"""The plan of an extraction: everything that is known before its first image is read; and how two plans differ."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_cli.core.atomic import write_bytes_atomically
from birdnet_cli.core.cache.layout import (
    DTYPES,
    FORMAT_VERSION,
    MAX_JSON_BYTES,
    SHARD_ROWS,
    check_descriptor,
    plan_path,
)
from birdnet_cli.core.errors import CacheError

__all__ = ["CachePlan", "differences", "read_plan", "to_attribute", "write_plan"]


@dataclass(frozen=True, kw_only=True)
class CachePlan:
    """Images, descriptors and settings of an extraction, known before its first image is read.

    Attributes:
        names: [N] image paths relative to the data set's root, in `os.fsdecode` form.
        labels: [N] indices into `classes`; -1 is unlabelled.
        splits: [N] split of each image.
        classes: [K] class names.
        descriptors: name -> D of each descriptor that the pass over the images computes.
        dtype: storage type of the descriptors, `float16` or `float32`.
        fingerprint: JSON mapping, flat or nested, of every setting that decides the numbers.
        provenance: JSON mapping of versions, sources and times; for information, never compared.

    Raises:
        CacheError: the columns differ in length or do not fit the classes, or a name, D, dtype or mapping is unusable.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    splits: tuple[str, ...]
    classes: tuple[str, ...]
    descriptors: Mapping[str, int]
    dtype: str
    fingerprint: Mapping[str, Any]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        rows, K = len(self.names), len(self.classes)
        if not rows:
            raise CacheError("a feature cache needs at least one image")
        if not rows == len(self.labels) == len(self.splits):
            raise CacheError(f"{rows} names, {len(self.labels)} labels and {len(self.splits)} splits: expected as many")
        for name, label in zip(self.names, self.labels, strict=True):
            if not -1 <= label < K:
                raise CacheError(f"{name}: label {label} is outside -1 to {K - 1}, the indices of {K} classes")
        if self.dtype not in DTYPES:
            raise CacheError(f"dtype '{self.dtype}': a cache stores {' or '.join(DTYPES)}")
        if not self.descriptors:
            raise CacheError("a feature cache needs at least one descriptor")
        for name, dim in self.descriptors.items():
            check_descriptor(name, dim)
        for field in ("fingerprint", "provenance"):
            to_attribute(field, getattr(self, field))

    @property
    def rows(self) -> int:
        """N, the number of images."""
        return len(self.names)

    @property
    def shards(self) -> int:
        """The number of shards of N rows."""
        return -(-self.rows // SHARD_ROWS)

    def shard_range(self, index: int) -> range:
        """Return the rows of one shard."""
        return range(self.rows)[index * SHARD_ROWS : (index + 1) * SHARD_ROWS]

    def samples(self) -> str:
        """Return the sha256 of names, labels, splits and classes, in hexadecimal digits."""
        listing = json.dumps([self.names, self.labels, self.splits, self.classes])
        return hashlib.sha256(listing.encode()).hexdigest()

    def identity(self) -> dict[str, Any]:
        """Return the fields that decide the file's content: fingerprint, format, N, dtype and hash of the samples."""
        own = {"format_version": FORMAT_VERSION, "rows": self.rows, "dtype": self.dtype, "samples": self.samples()}
        fingerprint: dict[str, Any] = json.loads(to_attribute("fingerprint", self.fingerprint))
        return fingerprint | own

    def to_json(self) -> str:
        """Return the plan as text; lone surrogates in names become JSON escapes."""
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> "CachePlan":
        """Read what `to_json` wrote.

        Raises:
            CacheError: `text` is not a plan.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            fields |= {key: tuple(fields[key]) for key in ("names", "labels", "splits", "classes")}
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CacheError(f"not the plan of an extraction ({error})") from error


def write_plan(out: Path, plan: CachePlan) -> None:
    """Write the plan into `out`'s parts directory, whole or not at all."""
    write_bytes_atomically(plan_path(out), plan.to_json().encode())


def read_plan(out: Path) -> CachePlan | None:
    """Return the plan of the unfinished extraction into `out`, None if there is none.

    Raises:
        CacheError: the plan cannot be read.
    """
    path = plan_path(out)
    try:
        return CachePlan.from_json(path.read_bytes().decode())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, CacheError) as error:
        raise CacheError(f"{path}: {error}") from error


def to_attribute(field: str, mapping: Mapping[str, Any]) -> str:
    """Return a mapping as the JSON text that an HDF5 attribute can hold.

    Raises:
        CacheError: the mapping is not JSON, or too long.
    """
    try:
        text = json.dumps(dict(mapping), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CacheError(f"the {field} of a cache must be JSON: {error}") from error
    if len(text) > MAX_JSON_BYTES:
        raise CacheError(f"the {field} of a cache is {len(text)} bytes of JSON: at most {MAX_JSON_BYTES} fit")
    return text


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return `dotted.path: old -> new` for every field in which two nested mappings differ, in alphabetical order."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        f"{path}: {_show(before, path)} -> {_show(after, path)}"
        for path in sorted(before.keys() | after.keys())
        if path not in before or path not in after or before[path] != after[path]
    ]


def _leaves(mapping: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in mapping.items():
        nested = isinstance(value, Mapping) and value
        found += _leaves(value, f"{prefix}{key}.") if nested else [(f"{prefix}{key}", value)]
    return found


def _show(leaves: Mapping[str, Any], path: str) -> str:
    if path not in leaves:
        return "absent"
    value = leaves[path]
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:36]}…"
