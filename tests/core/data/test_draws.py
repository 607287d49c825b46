"""Random numbers by (seed, purpose, epoch, index)."""

import random

import numpy as np
import pytest
import torch

from birdnet_cli.core.data.draws import draw_row, draw_table

GOLDEN = (
    [0.810243512110891, 0.5461260857686415],
    [0.5985002478702043, 0.3333187186491413],
    [0.7076367443901387, 0.45921351914960806],
)


@pytest.mark.parametrize("columns", [1, 3, 4, 5, 8, 9])
def test_a_row_alone_is_the_row_of_the_table(columns: int) -> None:
    table = draw_table(7, 3, purpose="augment", rows=6, columns=columns)
    assert table.shape == (6, columns)
    for index in range(6):
        assert np.array_equal(draw_row(7, 3, index, purpose="augment", columns=columns), table[index])


def test_a_longer_table_begins_with_the_shorter_one() -> None:
    short, long = (draw_table(0, 0, purpose="order", rows=rows, columns=4) for rows in (5, 500))
    assert np.array_equal(short, long[:5])


def test_numbers_are_the_same_on_every_machine_and_for_ever() -> None:
    # A resumed run must draw what the interrupted one would have drawn, with whatever version of NumPy.
    assert draw_row(0, 0, 0, purpose="order", columns=2).tolist() == GOLDEN[0]
    assert draw_row(2**63, 10**6, 10**9, purpose="augment", columns=2).tolist() == GOLDEN[1]
    assert draw_row(1, 2, 3, purpose="mix", columns=2).tolist() == GOLDEN[2]


def test_every_argument_changes_every_number() -> None:
    changed = [
        draw_row(0, 0, 0, purpose="order", columns=8),
        draw_row(1, 0, 0, purpose="order", columns=8),
        draw_row(0, 1, 0, purpose="order", columns=8),
        draw_row(0, 0, 1, purpose="order", columns=8),
        draw_row(0, 0, 0, purpose="augment", columns=8),
        draw_row(0, 0, 0, purpose="mix", columns=8),
    ]
    assert len(np.unique(np.concatenate(changed))) == 48


def test_numbers_are_uniform_and_columns_unrelated() -> None:
    table = draw_table(5, 0, purpose="augment", rows=20_000, columns=8)
    assert table.min() >= 0
    assert table.max() < 1
    for column in table.T:
        counts = np.histogram(column, bins=20, range=(0, 1))[0]
        assert ((counts - 1000) ** 2 / 1000).sum() < 50  # chi-square, 19 degrees of freedom: p = 1e-4
    assert np.abs(np.corrcoef(table.T) - np.eye(8)).max() < 0.03
    assert abs(np.corrcoef(table[:-1, 0], table[1:, 0])[0, 1]) < 0.03


def test_no_global_state_is_read_or_changed() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    first = draw_table(0, 0, purpose="order", rows=3, columns=2)
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    np.random.seed(1)
    assert np.array_equal(draw_table(0, 0, purpose="order", rows=3, columns=2), first)
