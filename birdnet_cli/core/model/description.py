"""The header of a model file: everything besides the tensors that a prediction needs, and the model's origin."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import ValidationError

from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.recipe import PoolingSettings, TransformSettings

__all__ = ["ModelDescription"]

FORMAT = 1
HEADER_FIELDS = {
    "classes": list, "backbone": dict, "transform": dict, "flip": bool, "pooling": dict, "head": dict,
    "provenance": dict,
}  # fmt: skip
BACKBONE_FIELDS = {"backbone": str, "layer": str, "weights_sha256": str, "preprocessing": dict, "embedded": bool}


@dataclass(frozen=True)
class ModelDescription:
    """The header of a model file.

    Attributes:
        classes: K class names; logit k belongs to `classes[k]`.
        backbone: `backbone` (its name), `layer`, `weights_sha256`, `weights_source`, `preprocessing`, `embedded`; and
            `network`, the settings of a network of `core.networks`.
        transform: settings of the transform from an image to the backbone's input.
        flip: whether descriptors are averaged with those of the mirrored image.
        pooling: settings of the pooling; None if the head takes the feature map.
        head: `head`, `C`, `class_weights`, `temperature`, `cross_validation`; of a fine-tuned model `finetune`, `step`
            and `validation`; of a head that takes the feature map `map`, its settings.
        provenance: versions of fbn and torch, and the fingerprint of the training data.
    """

    classes: tuple[str, ...]
    backbone: dict[str, Any]
    transform: TransformSettings
    flip: bool
    pooling: PoolingSettings | None
    head: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the header as a JSON object."""
        pooling = self.pooling.model_dump() if self.pooling is not None else None
        document = asdict(self) | {"transform": self.transform.model_dump(), "pooling": pooling}
        return {"format": FORMAT} | document

    @classmethod
    def from_json(cls, document: Any) -> "ModelDescription":
        """Validate a header's JSON object.

        Raises:
            ModelFileError: the document has another format version, or fields are missing or malformed; the message
                names all of them.
        """
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, dict) else type(document).__name__
            raise ModelFileError(f"model format {found!r}; this version of fbn reads format {FORMAT}")
        # The pooling of a head on the feature map is null; a missing key is an error.
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


def _require_fields(where: str, document: dict[str, Any], expected: Mapping[str, type]) -> None:
    wrong = [key for key, kind in expected.items() if not isinstance(document.get(key), kind)]
    if wrong:
        raise ModelFileError(f"{where} lacks or mistypes: {', '.join(wrong)}")
