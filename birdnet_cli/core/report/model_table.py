"""A model's description -> the rows of the page's table of the model."""

from collections.abc import Iterator, Mapping
from typing import Any

from birdnet_cli.core.provenance import public_source

__all__ = ["list_facts"]


def list_facts(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and value of every known fact, in the order of the data flow.

    Args:
        model: a document of `describe_model`, or a part of it; absent facts are left out.
    """
    return [(name, text) for name, value in _rows(model) if (text := _text(value))]


def _rows(model: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    backbone, head = model.get("backbone", {}), model.get("head", {})
    transform, provenance = model.get("transform", {}), model.get("provenance", {})
    yield "model file", model.get("file")
    yield "its SHA-256", model.get("sha256")
    if transform:
        yield "image", f"{transform['image_size']} x {transform['image_size']} pixels, {transform['resize']}"
    yield "mirrored too", model.get("flip")
    yield "backbone", " at ".join(str(backbone[key]) for key in ("backbone", "layer") if backbone.get(key))
    yield "its weights", public_source(str(provenance.get("weights_source", "")))
    yield "SHA-256 of the weights", backbone.get("weights_sha256")
    yield "pooling", model.get("pooling")
    yield "descriptor", f"{model['dimensions']:,} values" if model.get("dimensions") else None
    yield "head", head.get("head")
    yield "C", f"{head['C']:.4g}" if head.get("C") is not None else None
    if head.get("cross_validation"):
        tried = head["cross_validation"]
        best = max(tried, key=lambda row: row["accuracy"])
        yield (
            "C chosen by",
            (
                f"{head.get('cv', '?')}-fold cross-validation of {len(tried)} values on the training split; "
                f"its best accuracy there was {best['accuracy']:.2%}"
            ),
        )
    yield "class weights", head.get("class_weights")
    yield "temperature", f"{head['temperature']:.4g}" if head.get("temperature") is not None else None
    yield "fingerprint of the training data", provenance.get("data")
    yield "trained with", _versions(provenance.get("software", {}))
    yield "evaluated with", _versions(model.get("evaluated_with", {}))


def _versions(software: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in software.items())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
