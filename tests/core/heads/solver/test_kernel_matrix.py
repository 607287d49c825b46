import numpy as np
import pytest

from birdnet_cli.core.heads.solver import kernel_matrix, measure_moments


@pytest.mark.parametrize("held_rows", [1, 4, 5, 22, 23, 100])
@pytest.mark.parametrize("block", [1, 6, 50])
def test_streamed_kernel_is_that_of_the_centred_rows(array_source, make_problem, held_rows, block):
    x, _ = make_problem(23, 31, 3)
    source = array_source(x, block=block)
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)

    kernel = kernel_matrix(source, measure_moments(source, standardize=False), held_bytes=held_rows * 31 * 4)

    np.testing.assert_allclose(kernel.numpy(), centred @ centred.T, atol=2e-6)


def test_kernel_of_standardized_rows(array_source, make_problem):
    x, _ = make_problem(23, 31, 3)
    source = array_source(x)
    standard = (x - x.mean(axis=0, dtype=np.float64)) / x.std(axis=0, dtype=np.float64)

    kernel = kernel_matrix(source, measure_moments(source, standardize=True), held_bytes=4 * 31 * 4)

    np.testing.assert_allclose(kernel.numpy(), standard @ standard.T, atol=5e-5)


def test_a_mean_much_larger_than_the_rows_spread_costs_no_digits(array_source):
    generator = np.random.default_rng(0)
    # Steps that float32 holds exactly at 1000, so that what is lost is lost by the kernel.
    x = (1000 + generator.integers(-64, 65, size=(40, 300)) / 1024).astype(np.float32)
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    source = array_source(x)

    kernel = kernel_matrix(source, measure_moments(source, standardize=False))

    np.testing.assert_allclose(kernel.numpy(), centred @ centred.T, atol=1e-2 * np.trace(centred @ centred.T) / 40)


@pytest.mark.parametrize("blocks", [1, 2, 3, 6])
def test_kernel_of_b_held_blocks_takes_less_than_half_of_b_plus_three_reads(array_source, make_problem, blocks):
    source = array_source(make_problem(60, 8, 3)[0], block=1)
    moments = measure_moments(source, standardize=False)
    source.reads = 0

    kernel_matrix(source, moments, held_bytes=60 // blocks * 8 * 4)

    # Each pass is given one row more than it needs, and stops.
    assert source.reads - (blocks + 1) <= 60 * (blocks + 3) / 2 - 60 / blocks


def test_progress_rises_to_one(array_source, make_problem):
    source = array_source(make_problem(23, 31, 3)[0])
    seen = []

    kernel_matrix(source, measure_moments(source, standardize=False), held_bytes=5 * 31 * 4, progress=seen.append)

    assert seen == sorted(seen)
    assert seen[-1] == 1
