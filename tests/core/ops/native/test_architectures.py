"""GPU architectures: how a list is read, which ones are chosen, and nvcc's flags."""

import pytest
import torch

from birdnet_cli.core.errors import KernelError, UsageError
from birdnet_cli.core.ops.native.architectures import choose_architectures, code_flags, old_devices, parse_architectures

KNOWN = frozenset({"compute_75", "compute_80", "compute_86", "compute_89", "compute_90", "compute_100", "compute_120"})


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Capabilities of the GPUs of this machine, which a test fills."""
    present: list[tuple[int, int]] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(present))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(present))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: present[index])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
    return present


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8.0;9.0+PTX", ("8.0", "9.0+PTX")),
        (" 8.0 8.6, 8.0;", ("8.0", "8.6")),
        ("sm_80,sm_90a,compute_100", ("8.0", "9.0a", "10.0")),
        ("12.0f", ("12.0f",)),
        ("Ampere;Hopper+PTX", ("8.0", "8.6", "9.0+PTX")),
    ],
)
def test_a_list_is_read_as_pytorch_and_nvcc_write_it(text: str, expected: tuple[str, ...]) -> None:
    assert parse_architectures(text) == expected


@pytest.mark.parametrize("text", ["", "eight", "8", "8.0+ptx", "sm80"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected such as 8\.0, 9\.0a, 10\.0\+PTX or sm_80"):
        parse_architectures(text)


def test_the_flags_name_real_code_and_ptx_on_request() -> None:
    assert code_flags(("8.0", "9.0a+PTX"), KNOWN) == (
        "-gencode=arch=compute_80,code=sm_80",
        "-gencode=arch=compute_90a,code=sm_90a",
        "-gencode=arch=compute_90a,code=compute_90a",
    )


@pytest.mark.parametrize("architecture", ["7.5", "10.3"], ids=["too old", "unknown to nvcc"])
def test_an_architecture_that_cannot_be_compiled_for_is_an_error(architecture: str) -> None:
    with pytest.raises(KernelError, match=f"GPU architecture {architecture}: expected one from 8.0 on that this nvcc"):
        code_flags((architecture,), KNOWN)


def test_without_a_wish_the_gpus_of_this_machine_are_chosen(gpus: list[tuple[int, int]]) -> None:
    gpus += [(9, 0), (8, 6), (9, 0)]
    assert choose_architectures(KNOWN, portable=False) == ("8.6", "9.0")


@pytest.mark.parametrize("portable", [True, False])
def test_a_wheel_and_a_machine_without_gpu_get_every_common_one(gpus: list[tuple[int, int]], portable: bool) -> None:
    gpus += [(9, 0)] * portable
    assert choose_architectures(KNOWN, portable=portable) == ("8.0", "8.6", "8.9", "9.0", "10.0+PTX")


def test_an_older_nvcc_gets_what_it_knows_and_ptx_of_the_last(gpus: list[tuple[int, int]]) -> None:
    older = frozenset({"compute_80", "compute_86", "compute_89"})
    assert choose_architectures(older, portable=True) == ("8.0", "8.6", "8.9+PTX")


def test_the_variable_wins_and_what_is_too_old_in_it_is_meant_for_others(
    gpus: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus += [(9, 0)]
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "7.0;7.5;8.0+PTX")
    assert choose_architectures(KNOWN, portable=False) == ("8.0+PTX",)


def test_a_variable_with_nothing_but_old_ones_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "7.5")
    with pytest.raises(KernelError, match=r"TORCH_CUDA_ARCH_LIST=7\.5 has no architecture from 8\.0 on"):
        choose_architectures(KNOWN, portable=False)


def test_gpus_before_ampere_are_old(gpus: list[tuple[int, int]]) -> None:
    gpus += [(8, 0), (7, 5), (12, 0)]
    assert old_devices() == ["GPU 1 (sm_75)"]
