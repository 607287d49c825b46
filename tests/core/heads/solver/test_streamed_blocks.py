import logging

import numpy as np
import pytest
import torch

from birdnet_cli.core.errors import DataError
from birdnet_cli.core.heads.solver import build_blocks, measure_moments, spread_order
from birdnet_cli.core.heads.solver import streamed_blocks as module
from birdnet_cli.core.heads.solver.row_source import centred_blocks


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_ROWS", 12)


def silent(_fraction: float) -> None:
    pass


@pytest.mark.parametrize("block_rows", [1, 4, 10, 23, 50])
@pytest.mark.parametrize("source_rows", [1, 7, 50])
def test_centred_blocks_cut_the_rows_anew(array_source, make_problem, monkeypatch, block_rows, source_rows):
    monkeypatch.setattr("birdnet_cli.core.heads.solver.row_source.CHUNK_BYTES", 5 * 11 * 4)
    x, _ = make_problem(23, 11, 3)
    source = array_source(x, block=source_rows)
    moments = measure_moments(source, standardize=False)

    blocks = [(place, rows.clone()) for place, rows in centred_blocks(source, moments, block_rows=block_rows)]

    assert [place.start for place, _ in blocks] == list(range(0, 23, block_rows))
    assert all(len(rows) == place.stop - place.start for place, rows in blocks)
    np.testing.assert_allclose(np.concatenate([rows for _, rows in blocks]), x - x.mean(0), atol=1e-6)


def test_factors_have_the_inner_products_of_their_block_beside_a_constant(array_source, make_problem):
    x, _ = make_problem(40, 60, 3)
    source = array_source(x)
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)

    blocks = build_blocks(source, measure_moments(source, standardize=False), progress=silent)

    assert blocks.mean_squared_norm == pytest.approx((centred**2).sum(axis=1).mean(), rel=1e-5)
    assert blocks.constant_square == pytest.approx(module.LARGEST_CONSTANT * blocks.mean_squared_norm)
    read = [(place, rows.clone(), factor) for place, rows, factor in blocks.read()]
    assert [len(rows) for _, rows, _ in read] == [12, 12, 12, 4]
    for place, rows, factor in read:
        np.testing.assert_allclose(rows, centred[place], atol=1e-5)
        expected = centred[place] @ centred[place].T + blocks.constant_square
        np.testing.assert_allclose(factor @ factor.mT, expected, atol=1e-4)


def test_equal_rows_in_a_block_are_factored_with_a_jitter(array_source, make_problem, caplog):
    x, _ = make_problem(40, 60, 3)
    x[:12] = x[[0, 1] * 6]
    source = array_source(x)

    with caplog.at_level(logging.WARNING):
        blocks = build_blocks(source, measure_moments(source, standardize=False), progress=silent)

    assert 0 < blocks.jitter <= 1e-5


def test_equal_rows_everywhere_are_an_error(array_source):
    source = array_source(np.full((40, 60), 0.5, np.float32))

    with pytest.raises(DataError, match="all descriptors are equal"):
        build_blocks(source, measure_moments(source, standardize=False), progress=silent)


@pytest.mark.parametrize("rows", [1, 11, 12, 13, 100])
def test_every_row_is_dealt_once(array_source, rows):
    order = spread_order(array_source(np.zeros((rows, 5), np.float32)))

    assert sorted(order.tolist()) == list(range(rows))


def test_blocks_are_dealt_from_the_whole_file_in_its_runs(array_source):
    source = array_source(np.zeros((120, 5), np.float32))

    order = spread_order(source)

    assert source.run == 3
    for block in torch.from_numpy(order).split(12):
        runs = block.view(4, 3)
        assert (runs[:, 1:] - runs[:, :-1] == 1).all()
        assert set((runs[:, 0] // 30).tolist()) == {0, 1, 2, 3}


def test_blocks_of_wide_rows_are_smaller(array_source, make_problem, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 5 * 60 * 4)
    source = array_source(make_problem(40, 60, 3)[0])

    assert build_blocks(source, measure_moments(source, standardize=False), progress=silent).block_rows == 5
