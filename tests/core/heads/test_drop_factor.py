"""DropFactor: its statistics, what decides the mask, and what does not."""

import copy

import pytest
import torch

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.heads import DropFactor, FactorizedBilinear, reseed_drop_factors
from birdnet_cli.core.heads.factorized_bilinear import FactorDropping

DRAWS = 4000


def draws(drop: DropFactor, count: int = DRAWS) -> torch.Tensor:
    return torch.stack([drop(1) for _ in range(count)])


@pytest.mark.parametrize("drop_prob", [0.1, 0.5, 0.9])
def test_each_factor_is_dropped_with_its_probability_and_the_mean_is_preserved(drop_prob):
    masks = draws(DropFactor(20, drop_prob=drop_prob))
    keep = 1 - drop_prob

    assert {round(float(value), 5) for value in masks.unique()} == {0.0, round(1 / keep, 5)}
    # Five standard deviations of a mean of Bernoullis.
    assert (masks.mean() - 1).abs() < 5 * (drop_prob / keep / masks.numel()) ** 0.5
    assert (masks.mean(0) - 1).abs().max() < 5 * (drop_prob / keep / DRAWS) ** 0.5


@pytest.mark.parametrize("how", ["one after the other", "reseeded by step", "streams"])
def test_factors_and_successive_masks_are_independent(how):
    drop = DropFactor(20, drop_prob=0.5)
    if how == "one after the other":
        masks = draws(drop)
    else:
        masks = torch.empty(DRAWS, 20)
        for step in range(DRAWS):
            drop.reseed(7, step) if how == "reseeded by step" else drop.reseed(7, stream=step)
            masks[step] = drop(1)
    kept = (masks > 0).double()

    # The number of kept factors is binomial: mean 10, variance 5.
    assert abs(float(kept.sum(1).var()) - 5) < 0.6
    correlation = torch.corrcoef(kept.T).fill_diagonal_(0)
    assert correlation.abs().max() < 5 / DRAWS**0.5
    successive = torch.corrcoef(torch.stack([kept[:-1].flatten(), kept[1:].flatten()]))[0, 1]
    assert successive.abs() < 5 / kept.numel() ** 0.5


def test_the_batch_shares_one_mask_and_samples_have_their_own():
    batch = DropFactor(20, drop_prob=0.5)(64)
    sample = DropFactor(20, drop_prob=0.5, mask="sample")(64)

    assert batch.shape == (20,)
    assert sample.shape == (64, 20)
    assert len(sample.unique(dim=0)) == 64


def test_the_mask_of_a_key_is_known():
    # Also on other devices, in other processes and in later versions: a resumed training depends on it.
    drop = DropFactor(12, drop_prob=0.5)
    drop.reseed(5, 17)

    masks = [(drop(1) > 0).int().tolist() for _ in range(2)]

    assert masks == [[1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0], [1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1]]


def test_a_key_decides_the_mask_and_the_global_generator_does_not():
    first, other = DropFactor(40, drop_prob=0.5), DropFactor(40, drop_prob=0.5, seed=9)
    first.reseed(1, 2)
    expected = first(1), first(1)
    torch.manual_seed(123)
    before = torch.get_rng_state()
    other.reseed(1, 2)

    masks = other(1), other(1)

    assert all(torch.equal(mask, same) for mask, same in zip(masks, expected, strict=True))
    assert not torch.equal(*masks)
    assert torch.equal(torch.get_rng_state(), before)
    other.reseed(2, 1)
    assert not torch.equal(other(1), expected[0])


def test_streams_tell_processes_apart():
    drop = DropFactor(40, drop_prob=0.5)
    masks = []
    for stream in range(3):
        drop.reseed(3, stream=stream)
        masks.append(drop(1))

    assert len(torch.stack(masks).unique(dim=0)) == 3


def test_a_training_resumed_from_the_state_dict_draws_what_an_unbroken_one_draws():
    drop = DropFactor(20, drop_prob=0.5, seed=4)
    draws(drop, 3)
    state = copy.deepcopy(drop.state_dict())
    resumed = DropFactor(20, drop_prob=0.5)

    resumed.load_state_dict(state)

    assert torch.equal(draws(resumed, 5), draws(drop, 5))


def test_evaluation_and_a_probability_of_zero_drop_nothing_and_draw_nothing():
    never, drop = DropFactor(20, drop_prob=0.0), DropFactor(20, drop_prob=0.5)
    fresh = drop.position.clone()

    assert never(3) is None
    assert drop.eval()(3) is None
    assert torch.equal(drop.position, fresh)


def test_a_probability_near_one_drops_nearly_everything_and_stays_finite():
    masks = draws(DropFactor(20, drop_prob=0.999))
    assert masks.isfinite().all()
    assert abs(float((masks > 0).double().mean()) - 1e-3) < 5 * (1e-3 / masks.numel()) ** 0.5

    assert not DropFactor(20, drop_prob=1 - 1e-12)(1).any()


def test_compiled_in_one_graph_it_draws_the_same_masks_without_compiling_again():
    frames = []

    def backend(graph, _inputs):
        frames.append(graph)
        return graph

    drop = DropFactor(20, drop_prob=0.5)
    compiled = torch.compile(drop, fullgraph=True, backend=backend)
    for step in range(4):
        drop.reseed(1, step)
        masks = compiled(1), compiled(1)
        drop.reseed(1, step)
        assert all(torch.equal(mask, drop(1)) for mask in masks)

    assert len(frames) == 1


def test_every_layer_of_a_module_gets_masks_of_its_own():
    layers = torch.nn.ModuleList(
        FactorizedBilinear(3, 2, factors=40, dropping=FactorDropping(drop_prob=0.5)) for _ in range(2)
    )

    reseed_drop_factors(layers, 1, 2, stream=3)
    masks = [layer.drop(1) for layer in layers]

    assert not torch.equal(*masks)
    layers[1].drop.reseed(1, 2, 1, stream=3)
    assert torch.equal(layers[1].drop(1), masks[1])


@pytest.mark.parametrize("drop_prob", [-0.1, 1.0, 1.5, float("nan")])
def test_what_is_no_probability_below_one_is_refused(drop_prob):
    with pytest.raises(
        UsageError, match=f"drop_prob: expected a probability of at least 0 and below 1, got {drop_prob}"
    ):
        DropFactor(20, drop_prob=drop_prob)


def test_another_kind_of_mask_is_refused():
    with pytest.raises(UsageError, match="mask: expected 'batch' or 'sample', got 'pixel'"):
        DropFactor(20, drop_prob=0.5, mask="pixel")
