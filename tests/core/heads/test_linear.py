import torch

from birdnet_cli.core.heads import HeadFit, LinearHead


def fitted() -> HeadFit:
    generator = torch.Generator().manual_seed(0)
    return HeadFit(
        weight=torch.randn(3, 5, generator=generator),
        bias=torch.randn(3, generator=generator),
        C=1.0,
        temperature=0.25,
        cross_validation=(),
        mean_squared_norm=1.0,
        jitter=0.0,
        error=0.0,
    )


def test_logits_are_the_weighted_descriptor_plus_the_bias():
    fit = fitted()
    descriptor = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))

    logits = LinearHead.from_fit(fit)(descriptor)

    torch.testing.assert_close(logits, descriptor @ fit.weight.mT + fit.bias)


def test_probabilities_are_the_softmax_of_the_logits_over_the_temperature():
    logits = torch.tensor([[1.0, 2.0, 0.0]])

    probabilities = LinearHead.from_fit(fitted()).probabilities(logits)

    torch.testing.assert_close(probabilities, torch.softmax(4 * logits, dim=1))


def test_state_of_a_fitted_head_fits_a_new_one():
    head, other = LinearHead.from_fit(fitted()), LinearHead(5, 3)

    other.load_state_dict(head.state_dict())

    assert sorted(head.state_dict()) == ["bias", "temperature", "weight"]
    assert all(torch.equal(value, head.state_dict()[name]) for name, value in other.state_dict().items())
    assert all(value.device.type == "cpu" for value in head.state_dict().values())


def test_a_fitted_head_holds_no_second_copy_of_the_weights():
    fit = fitted()

    assert LinearHead.from_fit(fit).weight.data_ptr() == fit.weight.data_ptr()


def test_a_new_head_is_not_trained_by_gradients():
    assert not list(LinearHead(5, 3).parameters())
