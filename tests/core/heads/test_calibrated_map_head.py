import pytest
import torch

from birdnet_cli.core.heads import CalibratedMapHead, create_map_head


def build(*, norm: bool = False) -> CalibratedMapHead:
    return CalibratedMapHead(create_map_head("tanh", 6, 3, seed=1), channels=6, norm=norm).eval()


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_a_head_without_normalisation_is_its_map_head():
    head, x = build(), draw(2, 6, 4, 5)
    torch.testing.assert_close(head(x), head.map_head(x))


def test_normalisation_comes_before_the_map_head():
    head, x = build(norm=True), draw(2, 6, 4, 5)
    head.norm.running_mean.fill_(2)
    head.norm.running_var.fill_(4 - head.norm.eps)
    torch.testing.assert_close(head(x), head.map_head((x - 2) / 2))


def test_logits_are_float32_whatever_the_map_is():
    head, x = build(), draw(2, 6, 4, 5).bfloat16()
    assert head(x).dtype == torch.float32
    torch.testing.assert_close(head(x), head(x.float()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert head(x).dtype == torch.float32


def test_scores_and_probabilities_are_of_logits_divided_by_the_temperature():
    head, x = build(), draw(2, 6, 4, 5)
    head.temperature.fill_(2.5)
    logits = head(x)
    torch.testing.assert_close(head.scores(x), logits / 2.5)
    torch.testing.assert_close(head.probabilities(logits), torch.softmax(logits / 2.5, dim=1))


def test_softening_divides_scores_and_leaves_logits():
    head, x = build(), draw(2, 6, 4, 5)
    logits, scores = head(x), head.scores(x)
    head.soften(3.0)
    torch.testing.assert_close(head(x), logits)
    torch.testing.assert_close(head.scores(x), scores / 3)


def test_the_solved_state_multiplies_the_temperature_alone():
    head = build(norm=True)
    head.temperature.fill_(2.0)
    state = head.solved(rescale=1.5)
    assert state["temperature"] == pytest.approx(3.0)
    assert head.temperature == pytest.approx(2.0)
    for name, value in head.state_dict().items():
        assert name == "temperature" or torch.equal(state[name], value)
