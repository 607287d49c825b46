import numpy as np
import pytest
import torch

from birdnet_cli.core.heads import HeadFit, halve_weight


def head(weight, bias=None, *, temperature=1.0):
    weight = torch.as_tensor(weight, dtype=torch.float32)
    bias = torch.zeros(len(weight)) if bias is None else torch.tensor(bias)
    return HeadFit(weight, bias, 1.0, temperature, (), 1.0, 0.0, 0.0)


def test_weights_of_ordinary_size_are_halved_unnoticed(array_source):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(50, 300)).astype(np.float32)

    half = halve_weight(head(generator.normal(size=(4, 300)) * 0.03), array_source(x))

    assert half.weight.dtype == torch.float16
    assert half.unnoticed
    assert half.changed == 0
    assert 0 < half.shift < 1e-3


def test_a_class_that_changes_is_counted(array_source):
    # 1.0001 becomes 1, so that the first class loses its lead over the second where x is 1, not where it is 0.
    x = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]], np.float32)

    half = halve_weight(head([[0.0, 1.0], [1.0001, 0.0]]), array_source(x))

    assert half.changed == 2
    assert not half.unnoticed


def test_probabilities_are_compared_at_the_temperature(array_source):
    x = np.ones((3, 1), np.float32)
    rounded = 0.1 - float(torch.tensor(0.1).half())

    half = halve_weight(head([[0.1], [0.0]], temperature=1e-4), array_source(x))

    moved = 1 / (1 + np.exp(-0.1 / 1e-4)) - 1 / (1 + np.exp(-(0.1 - rounded) / 1e-4))
    assert half.shift == pytest.approx(abs(moved), abs=1e-6)
    gentle = halve_weight(head([[0.1], [0.1001]], temperature=1e-4), array_source(x))
    assert gentle.shift > 0.03
    assert not gentle.unnoticed


@pytest.mark.parametrize("size", [1e5, 1e-9])
def test_weights_beyond_what_float16_holds_are_noticed(array_source, size):
    x = np.ones((3, 2), np.float32) / size

    half = halve_weight(head([[size, size], [0.0, size]]), array_source(x.astype(np.float32)))

    assert not half.unnoticed
