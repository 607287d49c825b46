import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from birdnet_cli.core.backbones import create_backbone, describe_backbone, list_layers, resolve_weights
from birdnet_cli.core.errors import UnknownNameError, UsageError, WeightsError


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=r"timm cannot be imported .*pip install 'birdnet-cli\[timm\]'"):
        create_backbone("timm:resnet18")


@pytest.fixture
def timm() -> Any:
    return pytest.importorskip("timm", reason="needs timm: pip install 'birdnet-cli[timm]'")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, timm: Any) -> SimpleNamespace:
    """A stand-in for the Hugging Face client that remembers what it was asked for."""
    stand_in = SimpleNamespace(file=None, requests=[])

    def hf_hub_download(repository: str, name: str, *, revision: str | None, local_files_only: bool) -> str:
        stand_in.requests.append((repository, name, local_files_only))
        if stand_in.file is None:
            raise FileNotFoundError("not in the cache")
        return str(stand_in.file)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=hf_hub_download))
    return stand_in


def test_a_feature_map_comes_from_forward_features(timm):
    weights = resolve_weights("timm:resnet10t", "none")
    backbone = create_backbone("timm:resnet10t", weights=weights)
    assert (backbone.layer, backbone.channels, backbone.nonnegative) == ("forward_features", 512, False)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    reference = timm.create_model("resnet10t", pretrained=False).eval()
    reference.load_state_dict(weights.tensors, strict=False)
    with torch.inference_mode():
        expected = reference.forward_features(weights.preprocessing.apply(images))
        torch.testing.assert_close(backbone(images), expected, rtol=1e-4, atol=1e-4)


def test_the_pretrained_configuration_gives_mean_and_std(timm):
    assert create_backbone("timm:mobilenetv3_small_050").preprocessing.mean == (0.485, 0.456, 0.406)
    assert create_backbone("timm:mobilenetv3_small_050.lamb_in1k").preprocessing.scale == 1 / 255


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_networks_without_a_feature_map_are_refused(timm, name):
    with pytest.raises(UsageError, match=r"ends in \[1, .*not in a feature map"):
        describe_backbone(f"timm:{name}")


def test_unknown_names_are_refused_with_near_matches(timm):
    with pytest.raises(UnknownNameError, match="did you mean timm:resnet10t"):
        create_backbone("timm:resnet10")
    with pytest.raises(UnknownNameError, match=r"timm:resnet10t\.c3_in1k"):
        create_backbone("timm:resnet10t.c4_in1k")
    with pytest.raises(UnknownNameError, match="unknown timm backbone"):
        create_backbone("timm:hf-hub:someone/something")
    with pytest.raises(UnknownNameError, match="layer of timm:resnet10t"):
        create_backbone("timm:resnet10t", layer="layer3")
    assert list_layers("timm:resnet10t") == ["forward_features"]


@pytest.mark.parametrize("offline", [True, False])
def test_pretrained_weights_come_from_the_hub_as_safetensors(timm, hub, tmp_path, offline):
    hub.file = tmp_path / "model.safetensors"
    save_file(resolve_weights("timm:resnet10t", "none").tensors, hub.file)
    found = resolve_weights("timm:resnet10t", offline=offline)
    assert str(Path(hub.file)) in found.source
    assert hub.requests == [("timm/resnet10t.c3_in1k", "model.safetensors", offline)]
    assert create_backbone("timm:resnet10t", weights=found).preprocessing == found.preprocessing


def test_a_failed_download_says_which_file_to_get(timm, hub):
    with pytest.raises(WeightsError, match=r"model\.safetensors of huggingface\.co/timm/resnet10t\.c3_in1k.*forbids"):
        resolve_weights("timm:resnet10t", offline=True)
    with pytest.raises(WeightsError, match=r"FileNotFoundError: not in the cache\).*--weights"):
        resolve_weights("timm:resnet10t", offline=False)


def test_a_network_without_published_weights_asks_for_a_file(timm, hub):
    with pytest.raises(WeightsError, match="timm publishes no weights for 'timm:nfnet_f0'"):
        resolve_weights("timm:nfnet_f0")
