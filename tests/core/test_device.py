"""Names of devices and of dtypes."""

import pytest
import torch

from birdnet_cli.core.device import dtype_name, resolve_device
from birdnet_cli.core.errors import UsageError


@pytest.mark.parametrize(("available", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_cuda_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch, available: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert resolve_device("auto") == torch.device(expected)


def test_a_numbered_gpu_must_be_one_of_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="device 'cuda:2': this machine has 2 CUDA devices; use cpu or auto"):
        resolve_device("cuda:2")


def test_cuda_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UsageError, match="device 'cuda': this machine has 0 CUDA devices"):
        resolve_device("cuda")


def test_a_name_of_no_device_is_told_the_names() -> None:
    with pytest.raises(UsageError, match="device 'abacus': expected auto, cpu, cuda or cuda:N"):
        resolve_device("abacus")


@pytest.mark.parametrize(("dtype", "name"), [(torch.bfloat16, "bfloat16"), (torch.float32, "float32")])
def test_a_dtype_is_named_without_its_module(dtype: torch.dtype, name: str) -> None:
    assert dtype_name(dtype) == name
