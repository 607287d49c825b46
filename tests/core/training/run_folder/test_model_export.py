import hashlib
from pathlib import Path

import torch

from birdnet_cli.core.model import read_model_file
from birdnet_cli.core.tensor_file import hash_tensors
from birdnet_cli.core.training.run_folder.model_export import write_classifier
from tests.core.training.quick import quick_settings, small_classifier, small_parts

FACTS = {"finetune": {}, "step": 3, "validation": None}


def test_a_model_has_the_header_and_parameters_of_the_classifier(tmp_path: Path) -> None:
    parts = small_parts(small_classifier(), quick_settings())
    digest = write_classifier(tmp_path / "m", parts, facts=FACTS, provenance={"data": "d"}, temperature=2.0)
    assert digest == hashlib.sha256((tmp_path / "m").read_bytes()).hexdigest()
    description, tensors = read_model_file(tmp_path / "m")
    assert description.head == {"head": "softmax", **FACTS}
    assert description.provenance == {"data": "d"}
    assert description.backbone["weights_sha256"] == hash_tensors(parts.classifier.backbone.state_dict())
    torch.testing.assert_close(tensors["head"]["weight"].float(), parts.classifier.head.weight.detach())
    assert float(tensors["head"]["temperature"]) == 2.0
    # The classifier itself keeps its header and temperature.
    assert parts.description.head == {"head": "softmax"}
    assert float(parts.classifier.head.temperature) == 1.0
