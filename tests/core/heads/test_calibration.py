import pytest
import torch

from birdnet_cli.core.heads import fit_temperature


def sampled(temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels drawn from softmax(logits / temperature)."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4_000, 6, generator=generator)
    return logits, torch.multinomial(torch.softmax(logits / temperature, dim=1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("temperature", [0.2, 1.0, 4.0])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature):
    assert fit_temperature(*sampled(temperature)) == pytest.approx(temperature, rel=0.07)


def test_temperature_scales_with_the_logits_and_ignores_their_offset():
    logits, labels = sampled(1.5)

    assert fit_temperature(10 * logits + 7, labels) == pytest.approx(10 * fit_temperature(logits, labels), rel=1e-4)


def test_fitted_temperature_minimises_the_cross_entropy():
    logits, labels = sampled(2.0)
    best = fit_temperature(logits, labels)

    losses = [torch.nn.functional.cross_entropy(logits / (best * f), labels).item() for f in (0.95, 1.0, 1.05)]

    assert losses[1] == min(losses)


def test_flawless_logits_do_not_claim_certainty():
    labels = torch.arange(50) % 5
    logits = torch.nn.functional.one_hot(labels, 5).float()

    probabilities = torch.softmax(logits / fit_temperature(logits, labels), dim=1)

    # One part in 51 is spread over five classes.
    torch.testing.assert_close(probabilities[0, 0].item(), 1 - 4 / 5 / 51, atol=1e-4, rtol=0)


def test_logits_that_say_nothing_keep_temperature_one():
    assert fit_temperature(torch.full((10, 3), 2.5), torch.arange(10) % 3) == 1.0


def test_logits_worse_than_chance_give_almost_uniform_probabilities():
    labels = torch.arange(50) % 5
    logits = -torch.nn.functional.one_hot(labels, 5).float()

    probabilities = torch.softmax(logits / fit_temperature(logits, labels), dim=1)

    torch.testing.assert_close(probabilities, torch.full((50, 5), 0.2), atol=2e-3, rtol=0)


def test_a_given_smoothing_replaces_the_default() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 4
    logits = torch.randn(60, 4, generator=generator) + 8 * torch.nn.functional.one_hot(labels, 4)
    fitted = fit_temperature(logits, labels, smoothing=0.2)

    def loss(T: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits / T, labels, label_smoothing=0.2))

    assert loss(fitted) < min(loss(0.98 * fitted), loss(1.02 * fitted))
