import math

import torch
from torch import nn

from birdnet_cli.core.heads import DropFactor, initialize_weights
from birdnet_cli.core.heads.initialize import draw_he_normal


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_weight_has_the_variance_of_he_normal():
    weight = torch.empty(400, 50, 3, 3)
    draw_he_normal(weight, generator=seeded())
    assert abs(weight.mean()) < 1e-3
    assert math.isclose(weight.std(), math.sqrt(2 / (50 * 9)), rel_tol=0.01)


def test_the_global_generator_is_not_used():
    layer = nn.Conv2d(3, 4, 3)
    before = torch.get_rng_state()
    initialize_weights(layer, generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)


def test_the_same_seed_gives_the_same_values_and_another_seed_others():
    first, same, other = (nn.Linear(5, 4) for _ in range(3))
    for layer, seed in ((first, 1), (same, 1), (other, 2)):
        initialize_weights(layer, generator=seeded(seed))
    assert torch.equal(first.weight, same.weight)
    assert not torch.equal(first.weight, other.weight)


def test_biases_are_zero_and_normalisation_and_dropfactor_are_reset():
    module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), DropFactor(6, drop_prob=0.5))
    with torch.no_grad():
        for tensor in (module[0].bias, module[1].weight, module[1].bias, module[1].running_mean, module[1].running_var):
            tensor.fill_(7)
    module.train()
    first = module[2](1)
    module[2](1)

    initialize_weights(module, generator=seeded())

    assert (module[0].bias == 0).all()
    assert (module[1].weight == 1).all()
    assert (module[1].bias == 0).all()
    assert (module[1].running_mean == 0).all()
    assert (module[1].running_var == 1).all()
    assert torch.equal(module[2](1), first)


def test_a_module_on_the_meta_device_stays_there():
    layer = nn.Linear(5, 4, device="meta")
    initialize_weights(layer, generator=seeded())
    assert layer.weight.is_meta
