"""The description of a loaded model, from which its results can be repeated."""

import hashlib
from pathlib import Path

import torch

from birdnet_cli.core.model.facts import describe_model
from tests.core.small_model import DESCRIPTION, random_model


def test_a_model_is_described_by_its_parts_settings_and_origin() -> None:
    facts = describe_model(random_model())
    assert facts["file"] == "m.safetensors"
    assert (facts["pooling"], facts["dimensions"], facts["flip"]) == ("avg", 64, False)
    assert (facts["backbone"]["layer"], facts["transform"]["image_size"]) == ("relu1_1", 64)
    assert facts["head"] == {"head": "svm", "C": 0.5, "temperature": 2.0}
    assert facts["provenance"] == DESCRIPTION.provenance
    assert facts["evaluated_with"]["torch"] == torch.__version__.partition("+")[0]
    assert facts["evaluated_with"]["precision"] == "float32"


def test_the_hash_is_that_of_the_models_file(tmp_path: Path) -> None:
    model = random_model()
    assert describe_model(model)["sha256"] is None
    model.path = tmp_path / "m.safetensors"
    model.path.write_bytes(b"content")
    assert describe_model(model)["sha256"] == hashlib.sha256(b"content").hexdigest()
