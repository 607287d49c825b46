"""The header of a model file as JSON: it is read as written, and malformed headers name their fields."""

import json
from dataclasses import replace
from typing import Any

import pytest

from birdnet_cli.core.errors import ModelFileError
from birdnet_cli.core.model import ModelDescription
from tests.core.small_model import DESCRIPTION

ON_MAPS = replace(DESCRIPTION, pooling=None, head={"head": "fb", "map": {"name": "fb", "norm": False}})


def as_stored(description: ModelDescription) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(description.to_json()))
    return document


@pytest.mark.parametrize("description", [DESCRIPTION, ON_MAPS], ids=["pooled", "on feature maps"])
def test_a_header_is_read_as_it_was_written(description: ModelDescription) -> None:
    document = as_stored(description)
    assert document["format"] == 1
    assert ModelDescription.from_json(document) == description


def test_the_pooling_of_a_head_on_feature_maps_is_null_and_not_absent() -> None:
    document = as_stored(ON_MAPS)
    assert document.pop("pooling") is None
    with pytest.raises(ModelFileError, match="the header lacks or mistypes: pooling"):
        ModelDescription.from_json(document)


def test_all_malformed_fields_of_the_backbone_are_named() -> None:
    document = as_stored(DESCRIPTION)
    document["backbone"] |= {"layer": 3, "embedded": "yes"}
    del document["backbone"]["weights_sha256"]
    with pytest.raises(ModelFileError, match=r"backbone lacks or mistypes: layer, weights_sha256, embedded$"):
        ModelDescription.from_json(document)
