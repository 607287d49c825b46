"""Heads on feature maps by name."""

import pytest
import torch
from torch import nn

from birdnet_cli.core.errors import UnknownNameError, UsageError
from birdnet_cli.core.heads import create_map_head, list_map_heads

MAP = torch.randn(3, 6, 5, 4, generator=torch.Generator().manual_seed(0)) * 3


@pytest.mark.parametrize(("name", "activation"), [("fc", torch.relu), ("tanh", torch.tanh)])
def test_linear_heads_average_the_activated_map(name, activation):
    head = create_map_head(name, 6, 4)

    torch.testing.assert_close(head(MAP), head.linear(activation(MAP).mean((2, 3))))


def test_both_terms_of_the_fb_head_see_the_tanh():
    head = create_map_head("fb", 6, 4, factors=3, drop_prob=0.0)
    inner = head.factorized_bilinear

    bounded = MAP.tanh()

    torch.testing.assert_close(head(MAP), (inner.linear(bounded) + inner.quadratic(bounded)).mean((2, 3)))
    assert isinstance(head.activation, nn.Tanh)


@pytest.mark.parametrize("name", ["fc", "tanh", "fb"])
def test_building_depends_on_the_seed_alone(name):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = create_map_head(name, 6, 4, seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    same, other = create_map_head(name, 6, 4, seed=3).state_dict(), create_map_head(name, 6, 4, seed=4).state_dict()

    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_an_unknown_head_names_the_near_ones():
    with pytest.raises(UnknownNameError, match=r"unknown head 'tan': did you mean tanh\?"):
        create_map_head("tan", 6, 4)
    assert list_map_heads() == ["fb", "fc", "tanh"]


def test_settings_of_the_fb_head_are_refused_by_the_others():
    with pytest.raises(UsageError, match="the head 'fc' has no drop_prob, factors: those belong to 'fb'"):
        create_map_head("fc", 6, 4, factors=3, drop_prob=0.5)
