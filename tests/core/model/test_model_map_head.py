"""A model whose head takes the feature map is loaded, and refused in one line if its header does not fit."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from birdnet_cli.core.engine.evaluate import evaluate
from birdnet_cli.core.engine.finetune import finetune
from birdnet_cli.core.errors import CacheError, ModelFileError
from birdnet_cli.core.features.run import ExtractReport
from birdnet_cli.core.model import load_model, read_description
from birdnet_cli.core.model.library import list_models
from tests.core.training.quick import quick_settings


@pytest.fixture(scope="module")
def trained(textures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = quick_settings(network="resnet164", blocks=1, width=4, layer=None, head="fb", factors=3, epochs=1)
    return finetune(textures, tmp_path_factory.mktemp("runs") / "fb", settings=settings).model


def save_changed(trained: Path, output: Path, **header: Any) -> Path:
    document = read_description(trained).to_json()
    for key, value in header.items():
        document[key] = document[key] | value if isinstance(document[key], dict) else value
    save_file(load_file(trained), output, metadata={"fbn_model": json.dumps(document)})
    return output


def test_a_copy_without_a_change_is_read(trained: Path, tmp_path: Path) -> None:
    assert load_model(save_changed(trained, tmp_path / "m.safetensors"), device="cpu").classes[0] == "checks"


def test_it_is_listed_without_a_descriptor(trained: Path) -> None:
    (entry,) = [entry for entry in list_models(trained.parent) if entry.path == trained]
    assert (entry.descriptor, entry.description.head["head"]) == ("", "fb")


def test_a_cache_is_refused(trained: Path, extracted: ExtractReport) -> None:
    with pytest.raises(CacheError, match="takes whole feature maps, and caches hold none: give it images"):
        evaluate(extracted.output, load_model(trained, device="cpu"))


MAP = {"name": "fb", "norm": False, "factors": 3}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"head": {"map": None}}, "the header's head is not valid"),
        ({"head": {"map": MAP | {"name": "svm"}}}, "the header's head is not valid"),
        ({"head": {"map": MAP | {"factors": 1 << 40}}}, "the header's head is not valid"),
        ({"head": {"map": MAP | {"factors": 4}}}, "the tensors do not fit the header: head.map_head."),
        ({"head": {"map": MAP | {"norm": True}}}, "head.norm.weight is missing"),
        ({"classes": ["one", "two"]}, "the tensors do not fit the header: head.map_head."),
        ({"backbone": {"network": {"name": "resnet164", "blocks": 1 << 40}}}, "the header's network is not valid"),
        ({"backbone": {"network": {"name": "resnet146"}}}, "unknown network 'resnet146'"),
        (
            {"backbone": {"network": {"name": "resnet164", "blocks": 2, "width": 4}}},
            "does not fit resnet164 at",
        ),
        ({"pooling": 3}, "the header lacks or mistypes: pooling"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_header_that_asks_for_another_head_or_network_is_refused(
    trained: Path, tmp_path: Path, header: dict[str, Any], message: str
) -> None:
    path = save_changed(trained, tmp_path / "m.safetensors", **header)
    with pytest.raises(ModelFileError) as caught:
        load_model(path, device="cpu")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
