import pytest
import torch
from torch import Tensor

from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.poolings import Pooling, create_pooling, divide_evidence, parse_pooling
from tests.core.poolings.test_pooling import NAMES, fitted


def feature_map(*, seed: int = 0, signed: bool = False) -> Tensor:
    x = torch.randn(3, 6, 4, 5, generator=torch.Generator().manual_seed(seed))
    x = x if signed else x.relu()
    x[:, 2] = 0  # a dead channel: terms of G that are exactly 0
    return x


def weights(pooling: Pooling) -> Tensor:
    return torch.randn(3, pooling.dim, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_evidence_of_all_positions_sums_to_the_score(name: str) -> None:
    pooling, x = fitted(name), feature_map()
    weight = weights(pooling)
    score = (pooling(x) * weight).sum(1)

    evidence = divide_evidence(pooling, x, weight)

    assert evidence.shape == (3, 4, 5)
    torch.testing.assert_close(evidence.sum((1, 2)), score, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["avg", "bilinear", "bilinear-full", "compact-d16", "compact-rm-d16"])
def test_evidence_of_a_signed_map_sums_to_the_score(name: str) -> None:
    pooling = create_pooling(parse_pooling(name), channels=6, nonnegative=False)
    x, weight = feature_map(signed=True), weights(pooling)
    evidence = divide_evidence(pooling, x, weight)
    torch.testing.assert_close(evidence.sum((1, 2)), (pooling(x) * weight).sum(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_position_without_activation_contributes_nothing(name: str) -> None:
    pooling, x = fitted(name), feature_map()
    if pooling.reduction is not None:
        torch.nn.init.zeros_(pooling.reduction.bias)
    x[:, :, 1, 2] = 0
    evidence = divide_evidence(pooling, x, weights(pooling))
    assert evidence[:, 1, 2].abs().max() == 0
    assert evidence.abs().max() > 0


def test_max_pooling_gives_a_channel_to_the_position_of_its_maximum() -> None:
    pooling = fitted("max")
    x = torch.zeros(1, 6, 4, 5)
    x[0, 3, 2, 4] = 5.0
    evidence = divide_evidence(pooling, x, torch.full((1, 6), 2.0))
    assert evidence[0, 2, 4] == 10
    assert evidence.sum() == 10


def test_bilinear_evidence_follows_the_formula_for_a_pair_of_positions() -> None:
    # Positions (1, 0) and (1, 1): G = [[2, 1], [1, 1]], ||z||^2 = 5.
    x = torch.tensor([[1.0, 1.0], [0.0, 1.0]]).view(1, 2, 1, 2)
    pooling = create_pooling(parse_pooling("bilinear-full"), channels=2, nonnegative=True)
    evidence = divide_evidence(pooling, x, torch.ones(1, 4))
    first = 1 / (2 * 5) ** 0.5
    second = first + 3 / 5**0.5
    torch.testing.assert_close(evidence.flatten(), torch.tensor([first, second]))


def test_an_image_without_activation_has_no_evidence() -> None:
    pooling = fitted("bilinear")
    evidence = divide_evidence(pooling, torch.zeros(2, 6, 3, 3), torch.ones(2, pooling.dim))
    assert torch.equal(evidence, torch.zeros(2, 3, 3))


def test_no_image_gives_no_map() -> None:
    pooling = fitted("avg")
    assert divide_evidence(pooling, torch.zeros(0, 6, 3, 3), torch.ones(0, 6)).shape == (0, 3, 3)


def test_weights_of_another_descriptor_are_refused() -> None:
    with pytest.raises(UsageError, match=r"weights \[N, 21\], got .* and \[1, 6\]"):
        divide_evidence(fitted("bilinear"), torch.zeros(1, 6, 3, 3), torch.ones(1, 6))
