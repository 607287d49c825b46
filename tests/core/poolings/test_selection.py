import copy

import numpy as np
import pytest
import torch

from birdnet_cli.core.errors import NumericsError, UsageError
from birdnet_cli.core.poolings import Selection, VarianceAccumulator, selection


def accumulated(blocks) -> VarianceAccumulator:
    accumulator = VarianceAccumulator(blocks[0].shape[1])
    for block in blocks:
        accumulator.update(torch.from_numpy(block))
    return accumulator


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_selected_components_are_those_of_largest_numpy_variance(dtype, monkeypatch):
    monkeypatch.setattr(selection, "COLUMNS", 7)
    generator = np.random.default_rng(0)
    blocks = [(generator.normal(size=(n, 40)) * np.linspace(1, 3, 40)).astype(dtype) for n in (5, 1, 0, 12)]
    variance = np.var(np.concatenate(blocks).astype(np.float64), axis=0)

    indices = accumulated(blocks).top(9)

    assert indices.dtype == torch.int64
    assert indices.tolist() == sorted(np.argsort(-variance)[:9].tolist())


def test_a_large_common_mean_costs_no_digits():
    generator = np.random.default_rng(0)
    blocks = [generator.normal(size=(10, 50)) * np.linspace(1, 1.5, 50) for _ in range(5)]

    expected = accumulated(blocks).top(20)

    assert torch.equal(accumulated([block + 1e8 for block in blocks]).top(20), expected)


def test_of_equal_variances_the_lower_index_wins():
    column = np.array([[1.0], [2.0], [4.0]], dtype=np.float32)
    block = np.concatenate([column * 0, column, -column, column + 1, column * 3], axis=1)

    assert accumulated([block]).top(1).tolist() == [4]
    assert accumulated([block]).top(2).tolist() == [1, 4]
    assert accumulated([block]).top(3).tolist() == [1, 2, 4]
    assert accumulated([block]).top(5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("m", [0, 6])
def test_more_components_than_there_are_cannot_be_selected(m):
    with pytest.raises(UsageError, match=f"cannot select {m} of 5 components: select 1 to 5"):
        accumulated([np.eye(5)]).top(m)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_variance_needs_two_descriptors(rows):
    with pytest.raises(UsageError, match=f"variances need at least two training descriptors, got {rows}"):
        accumulated([np.ones((rows, 5))]).top(2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_descriptor_that_is_not_finite_is_refused(value):
    block = np.eye(5)
    block[1, 2] = value

    with pytest.raises(NumericsError, match="a training descriptor holds NaN or infinity"):
        accumulated([block, np.eye(5)]).top(2)


def test_a_selection_keeps_its_components_in_ascending_order():
    module = Selection(5, dim=3)
    module.load(torch.tensor([0, 2, 4]))

    assert module(torch.arange(10.0).view(2, 5)).tolist() == [[0.0, 2.0, 4.0], [5.0, 7.0, 9.0]]


def test_an_unfitted_selection_refuses_to_run_until_it_is_loaded():
    module = Selection(5, dim=3)
    fitted = copy.deepcopy(module)
    fitted.load(torch.tensor([0, 2, 4]))

    with pytest.raises(UsageError, match="the variance selection is not fitted: fit it on the training split or load"):
        module(torch.zeros(1, 5))
    module.load_state_dict(fitted.state_dict())
    assert module(torch.arange(5.0)[None]).tolist() == [[0.0, 2.0, 4.0]]


def test_loading_an_unfitted_state_leaves_a_selection_unfitted():
    module = Selection(5, dim=3)
    module.load(torch.tensor([0, 2, 4]))
    module.load_state_dict(Selection(5, dim=3).state_dict())

    with pytest.raises(UsageError, match="not fitted"):
        module(torch.zeros(1, 5))


@pytest.mark.parametrize("indices", [[0, 2, 5], [-1, 2, 3], [0, 2, 2], [3, 2, 1]], ids=str)
def test_indices_that_do_not_ascend_within_the_descriptor_are_refused(indices):
    with pytest.raises(UsageError, match=r"the indices of a variance selection must ascend within 0\.\.4, got"):
        Selection(5, dim=3).load(torch.tensor(indices))


def test_a_selection_of_more_components_than_there_are_is_refused():
    with pytest.raises(UsageError, match="cannot select 6 of 5 components: select 5 or fewer"):
        Selection(5, dim=6)
