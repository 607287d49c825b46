from pathlib import Path

import pytest
import torch

from birdnet_cli.core.backbones import autocast_for, create_backbone, precision, resolve_precision, resolve_weights
from birdnet_cli.core.errors import UnknownNameError


def pretend_capabilities(monkeypatch: pytest.MonkeyPatch, **flags: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags, raising=False)


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_auto_on_a_cpu_is_bfloat16_where_it_is_native(monkeypatch, flags, dtype):
    pretend_capabilities(monkeypatch, **flags)
    assert resolve_precision("auto", "cpu") == dtype


@pytest.mark.parametrize(
    ("flags", "dtype"), [("fpu avx512f avx512_bf16", torch.bfloat16), ("fpu avx512f", torch.float32)]
)
def test_an_older_torch_reads_the_flags_of_linux(monkeypatch, tmp_path, flags, dtype):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    assert resolve_precision("auto", "cpu") == dtype


def test_an_older_torch_elsewhere_stays_with_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(precision, "CPU_INFO", Path("/nonexistent/cpuinfo"))
    assert resolve_precision("auto", "cpu") == torch.float32


@pytest.mark.parametrize(("capability", "dtype"), [((8, 0), torch.bfloat16), ((7, 5), torch.float32)])
def test_auto_on_cuda_follows_the_compute_capability(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", "cuda:0") == dtype


def test_an_explicit_precision_is_allowed_anywhere(monkeypatch):
    pretend_capabilities(monkeypatch)
    assert resolve_precision("bfloat16", "cpu") == torch.bfloat16
    pretend_capabilities(monkeypatch, avx512_bf16=True)
    assert resolve_precision("float32", "cpu") == torch.float32


def test_an_unknown_precision_is_refused_with_near_matches():
    with pytest.raises(UnknownNameError, match="unknown precision 'float23': did you mean float32"):
        resolve_precision("float23", "cpu")


def test_bfloat16_feature_maps_stay_close_to_float32_and_parameters_stay_float32():
    backbone = create_backbone("vgg16", layer="relu3_3", weights=resolve_weights("vgg16", "none"))
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        with autocast_for("cpu", torch.float32):
            exact = backbone(images)
        with autocast_for("cpu", torch.bfloat16):
            rounded = backbone(images)
    assert exact.dtype == torch.float32
    assert rounded.dtype == torch.bfloat16
    assert rounded.is_contiguous(memory_format=torch.channels_last)
    assert torch.linalg.vector_norm(rounded.float() - exact) < 0.02 * torch.linalg.vector_norm(exact)
    assert all(tensor.dtype == torch.float32 for tensor in backbone.parameters())
