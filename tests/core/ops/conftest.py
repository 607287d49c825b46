"""The one table of tolerances of the ops, every implementation of them, and memory that shows what was not written."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from birdnet_cli.core.ops import compact_bilinear_pool
from birdnet_cli.core.ops.library import use_references
from birdnet_cli.core.ops.native import load_kernels, read_mode
from tests.core.ops.pairwise import mark_the_rest_slow

# Instruction sets that the CPU's kernels are compiled for, as FBN_CPU_CAPABILITY names them.
CAPABILITIES = ("default", "avx2", "avx512", "avx512_bf16")

# Largest error by the dtype of the input, relative to the largest value of the oracle: (results, gradients).
# Results are accumulated and stored in float32 for every dtype but float64; gradients are stored in the input's dtype.
TOLERANCES = {
    torch.float64: (1e-12, 1e-11),
    torch.float32: (1e-5, 1e-4),
    torch.bfloat16: (1e-5, 8e-3),
    torch.float16: (1e-5, 1e-3),
}


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_the_rest_slow(items)


@pytest.fixture(scope="session")
def assert_near() -> Callable[..., None]:
    """`assert_near(actual, oracle, dtype)`; `gradient=True` for gradients."""

    def check(actual: Tensor, oracle: Tensor, dtype: torch.dtype, *, gradient: bool = False) -> None:
        assert actual.shape == oracle.shape
        tolerance = TOLERANCES[dtype][1 if gradient else 0]
        error = (actual.double() - oracle).abs().amax() if oracle.numel() else torch.zeros(())
        assert error <= tolerance * (oracle.abs().amax() if oracle.numel() else 1), f"error {error:.3g}"

    return check


@pytest.fixture(params=("reference", "compiled"))
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test on the reference and on the kernels, with this processor's fastest instructions."""
    if request.param == "compiled":
        require_kernels()
        yield request.param
    else:
        with use_references():
            yield request.param


@pytest.fixture(params=("reference", *CAPABILITIES))
def instruction_set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run the test on the reference and on the kernels with each instruction set that this processor has."""
    if request.param == "reference":
        with use_references():
            yield request.param
        return
    require_kernels()
    monkeypatch.setenv("FBN_CPU_CAPABILITY", request.param)
    try:
        compact_bilinear_pool(torch.ones(1, 1, 1), buckets=torch.zeros(2, 1).long(), signs=torch.ones(2, 1), dim=1)
    except RuntimeError as error:
        if "this processor has no more than" not in str(error):
            raise
        pytest.skip(f"needs a processor with {request.param}: {error}")
    yield request.param


def require_kernels() -> None:
    if read_mode() == "reference" or load_kernels("cpu").library is None:
        pytest.skip(f"needs compiled kernels for the CPU: {load_kernels('cpu').reason}")


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Set the number of threads that PyTorch and the kernels use, until the test ends."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def poisoned_memory() -> Iterator[None]:
    """Fill every `torch.empty` with NaN, so that an element that nobody writes is seen."""
    filled = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.utils.deterministic.fill_uninitialized_memory = filled
    torch.use_deterministic_algorithms(False)
