"""FBN_CPU_CAPABILITY: which instructions the CPU's kernels use."""

import pytest
import torch

from birdnet_cli.core.ops import bilinear_pool
from tests.core.ops.conftest import require_kernels


@pytest.fixture(autouse=True)
def kernels() -> None:
    require_kernels()


def test_it_is_read_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FBN_CPU_CAPABILITY", "sse9")
    with pytest.raises(RuntimeError, match="must be default, avx2, avx512 or avx512_bf16, got sse9"):
        bilinear_pool(torch.ones(1, 2, 3))
    monkeypatch.setenv("FBN_CPU_CAPABILITY", "default")
    bilinear_pool(torch.ones(1, 2, 3))


def test_the_backward_reads_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.ones(1, 2, 3, requires_grad=True)
    y = bilinear_pool(x)
    monkeypatch.setenv("FBN_CPU_CAPABILITY", "sse9")
    with pytest.raises(RuntimeError, match="got sse9"):
        y.sum().backward()


def test_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = bilinear_pool(torch.ones(1, 2, 3))
    monkeypatch.setenv("FBN_CPU_CAPABILITY", "")
    assert torch.equal(bilinear_pool(torch.ones(1, 2, 3)), expected)


@pytest.mark.parametrize("shape", [(1, 0, 3), (1, 2, 0), (2, 3)], ids=str)
def test_an_op_called_without_its_front_end_refuses_what_is_no_map(shape: tuple[int, ...]) -> None:
    with pytest.raises(RuntimeError, match=r"expected (at least one channel and one position|a feature map)"):
        torch.ops.fbn.bilinear_pool.default(torch.zeros(shape), False, True)
