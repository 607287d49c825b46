"""One self-contained `.safetensors` file <-> everything that a prediction needs.

Tensors: `head.*`, `pooling.*` and, unless left out, `backbone.*`. The header's metadata holds one JSON document under
`fbn_model`: class names in order, backbone and preprocessing, transform, pooling, head, calibration, provenance.
Nothing in the file is executed when it is read.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
from pydantic import ValidationError
from torch import Tensor

from birdnet_cli.core.errors import ModelFileError, UsageError
from birdnet_cli.core.recipe import PoolingSettings, TransformSettings
from birdnet_cli.core.tensor_file import write_tensors

__all__ = ["ModelDescription", "hash_model_file", "read_description", "read_model_file", "write_model_file"]

FORMAT = 1
METADATA_KEY = "fbn_model"
GROUPS = ("head", "pooling", "backbone")
HEADER_FIELDS = {
    "classes": list, "backbone": dict, "transform": dict, "flip": bool, "pooling": dict, "head": dict,
    "provenance": dict,
}  # fmt: skip
BACKBONE_FIELDS = {"backbone": str, "layer": str, "weights_sha256": str, "preprocessing": dict, "embedded": bool}


@dataclass(frozen=True)
class ModelDescription:
    """What a model file's header says.

    Attributes:
        classes: class names; logit k belongs to `classes[k]`.
        backbone: `backbone` (its name), `layer`, `weights_sha256`, `weights_source`, `preprocessing`, `embedded`; and
            `network`, the settings of a network of `core.networks`.
        transform: how an image becomes the backbone's input.
        flip: whether descriptors average over the mirrored image.
        pooling: the descriptor; None where the head takes the feature map.
        head: `head`, `C`, `class_weights`, `temperature`, `cross_validation`; of a fine-tuned model `finetune`, `step`
            and `validation`, and `map`, the settings of a head that takes the feature map.
        provenance: fbn and torch versions, fingerprint of the cache that the head was solved on.
    """

    classes: tuple[str, ...]
    backbone: dict[str, Any]
    transform: TransformSettings
    flip: bool
    pooling: PoolingSettings | None
    head: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the header's JSON document."""
        pooling = self.pooling.model_dump() if self.pooling is not None else None
        document = asdict(self) | {"transform": self.transform.model_dump(), "pooling": pooling}
        return {"format": FORMAT} | document

    @classmethod
    def from_json(cls, document: Any) -> "ModelDescription":
        """Validate a header's JSON document.

        Raises:
            ModelFileError: another format version, a missing or a malformed field, all of them named.
        """
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, dict) else type(document).__name__
            raise ModelFileError(f"model format {found!r}; this version of fbn reads format {FORMAT}")
        # Without a pooling the head takes the feature map; that must be said, not left out.
        pooled = "pooling" not in document or document["pooling"] is not None
        required = HEADER_FIELDS if pooled else {key: kind for key, kind in HEADER_FIELDS.items() if key != "pooling"}
        _require_fields("the header", document, required)
        if not all(isinstance(name, str) for name in document["classes"]):
            raise ModelFileError("the header's class names are not all text")
        _require_fields("the header's backbone", document["backbone"], BACKBONE_FIELDS)
        _require_fields("the header's head", document["head"], {"head": str})
        try:
            transform = TransformSettings.model_validate(document["transform"])
            stored = document["pooling"]
            pooling = PoolingSettings.model_validate(stored) if stored is not None else None
        except ValidationError as error:
            raise ModelFileError(f"the header's settings are not valid: {error.errors()[0]['msg']}") from error
        return cls(
            tuple(document["classes"]), document["backbone"], transform, document["flip"], pooling, document["head"],
            document["provenance"],
        )  # fmt: skip


def write_model_file(path: Path, description: ModelDescription, tensors: dict[str, dict[str, Tensor]]) -> str:
    """Write a model file so that it appears whole or not at all.

    Args:
        path: the file to write.
        description: its header.
        tensors: `head`, `pooling` and optionally `backbone` -> state dict.

    Returns:
        The file's sha256 in hexadecimal.

    Raises:
        OSError: the disk refused.
    """
    flat = {f"{group}.{name}": tensor for group, state in tensors.items() for name, tensor in state.items()}
    metadata = {METADATA_KEY: json.dumps(description.to_json(), ensure_ascii=True, sort_keys=True)}
    return write_tensors(path, flat, metadata=metadata)


def read_description(path: Path) -> ModelDescription:
    """Read a model file's header alone.

    Raises:
        ModelFileError: no such file, not a safetensors file, not a model of fbn, or a malformed header.
    """
    with _opened(path) as stored:
        return _describe(path, stored.metadata())


def read_model_file(path: Path) -> tuple[ModelDescription, dict[str, dict[str, Tensor]]]:
    """Read a model file.

    Returns:
        The header, and `head`, `pooling`, `backbone` -> state dict.

    Raises:
        ModelFileError: as `read_description`, or a tensor that belongs to no group.
    """
    with _opened(path) as stored:
        description = _describe(path, stored.metadata())
        groups: dict[str, dict[str, Tensor]] = {group: {} for group in GROUPS}
        for key in stored.keys():  # noqa: SIM118 - safe_open is not a mapping
            group, _, name = key.partition(".")
            if group not in groups or not name:
                raise ModelFileError(f"{path}: unknown tensor '{key}'")
            groups[group][name] = stored.get_tensor(key)
    return description, groups


def hash_model_file(path: Path, *, expected: str | None = None) -> str:
    """Return a model file's sha256 in hexadecimal.

    Args:
        path: the file.
        expected: what it must be, in hexadecimal.

    Raises:
        ModelFileError: no such file, or another sha256 than expected.
        UsageError: `expected` is no sha256.
    """
    if expected is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", expected):
        raise UsageError(f"a SHA-256 has 64 hexadecimal digits, got '{expected}'")
    _require_file(path)
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if expected is not None and found != expected.lower():
        raise ModelFileError(f"{path}: has SHA-256 {found}, not {expected.lower()}: it is another file, do not use it")
    return found


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise ModelFileError(f"{path}: no such model file; fbn train-head writes one")


def _opened(path: Path) -> Any:
    _require_file(path)
    try:
        return safetensors.safe_open(str(path), framework="pt")
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path}: not a readable safetensors file: {error}") from error


def _describe(path: Path, metadata: dict[str, str] | None) -> ModelDescription:
    text = (metadata or {}).get(METADATA_KEY)
    if text is None:
        raise ModelFileError(f"{path}: a safetensors file, but not a model of fbn; fbn train-head writes one")
    try:
        return ModelDescription.from_json(json.loads(text))
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: the header is not JSON: {error}") from error


def _require_fields(where: str, document: dict[str, Any], expected: Mapping[str, type]) -> None:
    wrong = [key for key, kind in expected.items() if not isinstance(document.get(key), kind)]
    if wrong:
        raise ModelFileError(f"{where} lacks or mistypes: {', '.join(wrong)}")
