"""The one table of tolerances of the ops, and memory that shows what was not written."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

# Largest error by the dtype of the input, relative to the largest value of the oracle: (results, gradients).
# Results are accumulated and stored in float32 for every dtype but float64; gradients are stored in the input's dtype.
TOLERANCES = {
    torch.float64: (1e-12, 1e-11),
    torch.float32: (1e-5, 1e-4),
    torch.bfloat16: (1e-5, 8e-3),
    torch.float16: (1e-5, 1e-3),
}


@pytest.fixture(scope="session")
def assert_near() -> Callable[..., None]:
    """`assert_near(actual, oracle, dtype)`; `gradient=True` for gradients."""

    def check(actual: Tensor, oracle: Tensor, dtype: torch.dtype, *, gradient: bool = False) -> None:
        assert actual.shape == oracle.shape
        tolerance = TOLERANCES[dtype][1 if gradient else 0]
        error = (actual.double() - oracle).abs().amax() if oracle.numel() else torch.zeros(())
        assert error <= tolerance * (oracle.abs().amax() if oracle.numel() else 1), f"error {error:.3g}"

    return check


@pytest.fixture
def poisoned_memory() -> Iterator[None]:
    """Fill every `torch.empty` with NaN, so that an element that nobody writes is seen."""
    filled = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.utils.deterministic.fill_uninitialized_memory = filled
    torch.use_deterministic_algorithms(False)
