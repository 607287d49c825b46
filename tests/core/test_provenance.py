"""Provenance tells where things came from, and nothing about the machine."""

from pathlib import Path

import pytest

from birdnet_cli.core.provenance import hash_file, public_source


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


def test_the_hash_of_a_file_is_the_sha256_of_its_bytes(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"abc")
    assert hash_file(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
