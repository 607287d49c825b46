"""Provenance tells where things came from, and nothing about the machine."""

import pytest

from birdnet_cli.core.provenance import public_source


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("/home/somebody/my secrets/vgg16.onnx", "vgg16.onnx"),
        ("Oxford VGG16 in the wheel x: /usr/lib/python3/x/model.onnx", "Oxford VGG16 in the wheel x: model.onnx"),
        ("random (seed 0)", "random (seed 0)"),
        ("vgg16-397923af.pth", "vgg16-397923af.pth"),
    ],
)
def test_folders_are_left_out(source: str, public: str) -> None:
    assert public_source(source) == public
