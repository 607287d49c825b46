"""The classifier that settings, a model file's header or a run's header describe."""

import json
from typing import Any

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.errors import ModelFileError, UnknownNameError
from birdnet_cli.core.heads import LinearHead, create_map_head
from birdnet_cli.core.heads.calibrated_map_head import CalibratedMapHead
from birdnet_cli.core.model import ModelDescription
from birdnet_cli.core.training.progress import SilentTrainingProgress
from birdnet_cli.core.training.setup import build as module
from birdnet_cli.core.training.setup.build import build_classifier, order_classes, rebuild_classifier
from birdnet_cli.core.training.setup.classifier import Classifier
from tests.core.training.quick import SMALL_NETWORK, quick_settings

CLASSES = ("auk", "bee-eater", "crane")
IMAGES = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def build(**changes: Any) -> tuple[Classifier, ModelDescription]:
    settings = quick_settings(**changes)
    return build_classifier(settings, CLASSES, dtype=torch.float32, progress=SilentTrainingProgress())


def scores(classifier: Classifier) -> Tensor:
    with torch.no_grad():
        found: Tensor = classifier.eval()(IMAGES)
    return found


@pytest.mark.parametrize(
    "changes", [{"head": "bilinear"}, {"head": "fb"}, SMALL_NETWORK | {"head": "fc"}], ids=["pooling", "map", "network"]
)
def test_a_rebuilt_classifier_takes_the_state_and_computes_the_same(changes: dict[str, Any]) -> None:
    classifier, description = build(**changes)
    with torch.no_grad():
        for parameter in classifier.head.parameters():
            parameter.add_(0.1)
    saved = json.loads(json.dumps(description.to_json()))
    rebuilt = rebuild_classifier(ModelDescription.from_json(saved), dtype=torch.float32)
    rebuilt.load_state_dict(classifier.state_dict())
    assert scores(rebuilt).shape == (2, 3)
    assert torch.equal(scores(rebuilt), scores(classifier))


def test_a_new_linear_head_starts_without_a_preference() -> None:
    classifier, description = build(head="bilinear")
    assert torch.equal(scores(classifier), torch.zeros(2, 3))
    assert (description.classes, description.head) == (CLASSES, {"head": "softmax"})
    assert description.pooling is not None


def test_a_head_on_the_feature_map_is_described_with_its_settings() -> None:
    _, description = build(head="fb", factors=5)
    assert description.pooling is None
    assert (description.head["head"], description.head["map"]["factors"]) == ("fb", 5)


def test_the_seed_decides_on_the_parameters_of_a_network() -> None:
    first, again, other = (build(**SMALL_NETWORK, head="fb", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(scores(first[0]), scores(again[0]))
    assert not torch.equal(scores(first[0]), scores(other[0]))
    assert first[1].provenance["started_from"]["weights_source"] == "random (seed 0)"
    assert first[1].provenance == again[1].provenance
    assert first[1].backbone["weights_sha256"] != other[1].backbone["weights_sha256"]


class BuiltError(Exception):
    """Stops a build at its backbone."""


@pytest.mark.parametrize(
    ("changes", "layer"),
    [
        ({"head": "fb"}, "conv5_3"),
        ({"head": "fb", "backbone": "vgg19"}, "conv5_4"),
        ({"head": "fb", "layer": "relu4_3"}, "relu4_3"),
        ({"head": "bilinear"}, None),
    ],
)
def test_a_head_on_vgg_s_feature_map_takes_the_last_convolution_without_its_relu(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], layer: str | None
) -> None:
    def stop(_name: str, **options: object) -> None:
        raise BuiltError(options["layer"])

    monkeypatch.setattr(module, "create_backbone", stop)
    with pytest.raises(BuiltError) as caught:
        build(**{"layer": None} | changes)
    assert caught.value.args == (layer,)


def test_an_unknown_head_is_refused_before_any_weights_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_weights", None)
    with pytest.raises(UnknownNameError, match="unknown head 'bilinaer'"):
        build(head="bilinaer")


def test_a_head_in_the_order_of_other_classes_keeps_each_class_s_logit() -> None:
    head = LinearHead(4, 3)
    head.load_state_dict(
        {
            "weight": torch.arange(12.0).reshape(3, 4),
            "bias": torch.tensor([0.0, 1.0, 2.0]),
            "temperature": torch.ones(()),
        }
    )
    state = order_classes(head, CLASSES, ("crane", "auk", "bee-eater"), owner="m")
    assert state["bias"].tolist() == [2.0, 0.0, 1.0]
    assert state["weight"][0].tolist() == [8.0, 9.0, 10.0, 11.0]
    assert state["temperature"].shape == ()


def test_the_normalization_before_a_head_keeps_its_order() -> None:
    # Three channels and three classes: the shapes alone do not tell a channel from a class.
    head = CalibratedMapHead(create_map_head("fc", 3, 3, seed=0), channels=3, norm=True)
    assert head.norm is not None
    with torch.no_grad():
        head.norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
    before = {key: value.clone() for key, value in head.state_dict().items()}
    state = order_classes(head, CLASSES, ("crane", "auk", "bee-eater"), owner="m")
    changed = {key for key, value in state.items() if not torch.equal(value, before[key])}
    assert changed
    assert not any(key.startswith("norm.") for key in changed)


def test_classes_that_differ_are_named() -> None:
    with pytest.raises(ModelFileError, match=r"^m: .*it lacks dove \(1 in all\); it has crane \(1 in all\); start ano"):
        order_classes(LinearHead(4, 3), CLASSES, ("auk", "bee-eater", "dove"), owner="m")
