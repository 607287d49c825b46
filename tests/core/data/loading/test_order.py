"""Which samples make up which batch."""

import numpy as np
import pytest

from birdnet_cli.core.data import cut_batches, epoch_order
from birdnet_cli.core.data.loading.order import epoch_batches, require_rank, shard_batch, shard_indices
from birdnet_cli.core.errors import UsageError


def test_batches_are_cut_in_order_and_the_last_may_be_smaller() -> None:
    assert [list(batch) for batch in cut_batches(range(3, 10), size=3)] == [[3, 4, 5], [6, 7, 8], [9]]
    assert cut_batches([], size=3) == []


@pytest.mark.parametrize("size", [0, -1])
def test_batch_without_a_row_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"expected a batch of 1 or more images, got {size}"):
        cut_batches([1, 2], size=size)


@pytest.mark.parametrize("n", [1, 2, 10, 1733])
def test_order_is_a_permutation(n: int) -> None:
    assert sorted(epoch_order(n, seed=0, epoch=0).tolist()) == list(range(n))


def test_order_is_the_same_for_ever() -> None:
    assert epoch_order(10, seed=3, epoch=2).tolist() == [4, 5, 0, 1, 6, 9, 2, 7, 3, 8]


def test_order_differs_between_epochs_and_seeds() -> None:
    orders = {tuple(epoch_order(50, seed=seed, epoch=epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_every_sample_comes_first_equally_often() -> None:
    first = np.bincount([epoch_order(5, seed=0, epoch=epoch)[0] for epoch in range(2000)], minlength=5)
    assert ((first - 400) ** 2 / 400).sum() < 23.5  # chi-square, 4 degrees of freedom: p = 1e-4


def test_batches_follow_the_order_and_leave_out_what_is_no_whole_batch() -> None:
    batches = epoch_batches(11, batch_size=4, seed=0, epoch=5)
    assert [len(batch) for batch in batches] == [4, 4]
    assert np.concatenate(batches).tolist() == epoch_order(11, seed=0, epoch=5)[:8].tolist()


def test_other_samples_are_left_out_in_other_epochs() -> None:
    left_out = {tuple(epoch_order(11, seed=0, epoch=epoch)[8:]) for epoch in range(8)}
    assert len(left_out) == 8


def test_fewer_samples_than_a_batch_are_one_batch() -> None:
    (batch,) = epoch_batches(3, batch_size=8, seed=0, epoch=0)
    assert sorted(batch.tolist()) == [0, 1, 2]


@pytest.mark.parametrize("start", [0, 1, 3, 5, 6])
def test_an_epoch_can_start_at_any_step(start: int) -> None:
    whole = epoch_batches(23, batch_size=4, seed=1, epoch=1)
    rest = epoch_batches(23, batch_size=4, seed=1, epoch=1, start_step=start)
    assert [batch.tolist() for batch in rest] == [batch.tolist() for batch in whole[start:]]


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
def test_processes_share_a_batch_without_loss_or_double(world_size: int) -> None:
    batch = np.array([9, 4, 7, 1, 8])
    parts = [shard_batch(batch, rank=rank, world_size=world_size).tolist() for rank in range(world_size)]
    assert sorted(index for part in parts for index in part) == sorted(batch.tolist())
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert parts[0][0] == 9


@pytest.mark.parametrize("world_size", [1, 2, 3, 20])
def test_evaluation_shares_every_sample_once_and_pads_none(world_size: int) -> None:
    parts = [list(shard_indices(11, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert sorted(index for part in parts for index in part) == list(range(11))


@pytest.mark.parametrize(("rank", "world_size"), [(-1, 2), (2, 2), (0, 0)])
def test_rank_outside_the_processes_is_refused(rank: int, world_size: int) -> None:
    with pytest.raises(UsageError, match=f"expected a rank from 0 to world_size - 1, got rank {rank} of {world_size}"):
        require_rank(rank, world_size)
