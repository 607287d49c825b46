import torch

from birdnet_cli.core.heads import LinearHead, TrainableHead


def solved_head() -> LinearHead:
    generator = torch.Generator().manual_seed(0)
    head = LinearHead(5, 3)
    head.load_state_dict(
        {
            "weight": torch.randn(3, 5, generator=generator),
            "bias": torch.randn(3, generator=generator),
            "temperature": torch.tensor(0.07),
        }
    )
    return head


def test_scores_are_the_solved_head_s_calibrated_logits() -> None:
    solved, trainable = solved_head(), TrainableHead(5, 3)
    trainable.load(solved)
    descriptor = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(torch.softmax(trainable(descriptor), 1), solved.probabilities(solved(descriptor)))


def test_a_head_that_did_not_learn_comes_back_with_its_logits_and_temperature() -> None:
    solved, trainable = solved_head(), TrainableHead(5, 3)
    trainable.load(solved)
    for name, tensor in trainable.solved().items():
        torch.testing.assert_close(tensor, solved.state_dict()[name])


def test_a_temperature_fitted_later_leaves_the_logits_alone() -> None:
    trainable = TrainableHead(5, 3)
    trainable.load(solved_head())
    state = trainable.solved(rescale=2.0)
    torch.testing.assert_close(state["weight"], solved_head().weight)
    torch.testing.assert_close(state["temperature"], torch.tensor(0.14))


def test_a_new_head_knows_nothing_and_can_learn() -> None:
    head = TrainableHead(5, 3)
    assert torch.equal(head(torch.ones(2, 5)), torch.zeros(2, 3))
    assert {name for name, parameter in head.named_parameters() if parameter.requires_grad} == {"weight", "bias"}


def test_softer_scores_leave_the_logits_alone() -> None:
    trainable, descriptor = TrainableHead(5, 3), torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    trainable.load(solved_head())
    before = trainable(descriptor)
    trainable.soften(2.5)
    torch.testing.assert_close(trainable(descriptor), before / 2.5)
    torch.testing.assert_close(trainable.solved()["weight"], solved_head().weight)
    torch.testing.assert_close(trainable.solved()["temperature"], torch.tensor(0.175))
