"""The rows of the page's table of the model."""

from birdnet_cli.core.report.model_table import list_facts

MODEL = {
    "file": "m.safetensors",
    "sha256": "ab" * 32,
    "backbone": {"backbone": "vgg16", "layer": "relu5_3", "weights_sha256": "cd" * 32},
    "transform": {"image_size": 224, "resize": "squash"},
    "flip": False,
    "pooling": "bilinear",
    "dimensions": 131328,
    "head": {
        "head": "softmax", "C": 49850.0, "cv": 5, "class_weights": "none", "temperature": 0.99934,
        "cross_validation": [{"C": 1.0, "accuracy": 0.9}, {"C": 2.0, "accuracy": 0.92}],
    },
    "provenance": {
        "weights_source": "Oxford VGG16 (CC BY 4.0): /home/somebody/my secrets/vgg16.onnx",
        "data": "ef" * 32,
        "software": {"fbn": "0.1.0", "torch": "2.14"},
    },
    "evaluated_with": {"fbn": "0.2.0", "precision": "bfloat16"},
}  # fmt: skip


def test_hashes_backbone_pooling_c_and_versions_are_there() -> None:
    facts = dict(list_facts(MODEL))
    assert facts["its SHA-256"] == "ab" * 32
    assert facts["backbone"] == "vgg16 at relu5_3"
    assert facts["SHA-256 of the weights"] == "cd" * 32
    assert facts["image"] == "224 x 224 pixels, squash"
    assert facts["mirrored too"] == "no"
    assert facts["descriptor"] == "131,328 values"
    assert (facts["head"], facts["C"], facts["temperature"]) == ("softmax", "4.985e+04", "0.9993")
    assert "5-fold cross-validation of 2 values" in facts["C chosen by"]
    assert "92.00%" in facts["C chosen by"]
    assert facts["trained with"] == "fbn 0.1.0, torch 2.14"
    assert facts["evaluated with"] == "fbn 0.2.0, precision bfloat16"


def test_folders_of_this_machine_are_left_out() -> None:
    assert dict(list_facts(MODEL))["its weights"] == "Oxford VGG16 (CC BY 4.0): vgg16.onnx"


def test_an_address_stays_whole() -> None:
    source = "https://download.pytorch.org/models/vgg16-397923af.pth"
    assert dict(list_facts({"provenance": {"weights_source": source}}))["its weights"] == source


def test_unknown_facts_are_left_out() -> None:
    assert list_facts({}) == []
    assert list_facts({"head": {"head": "svm", "C": None}}) == [("head", "svm")]
