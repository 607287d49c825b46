import pytest
import torch

from birdnet_cli.core.training.setup.ema import MovingAverage


def module(value: float) -> torch.nn.Linear:
    made = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(made.weight, value)
    return made


def test_the_average_forgets_faster_at_first() -> None:
    followed = module(0.0)
    average = MovingAverage(followed, 0.9)
    torch.nn.init.constant_(followed.weight, 1.0)
    average.update(0)
    # A tenth of what was, whatever is asked for.
    assert float(average.average["weight"]) == pytest.approx(0.9)


def test_later_the_decay_is_the_given_one() -> None:
    followed = module(0.0)
    average = MovingAverage(followed, 0.9)
    torch.nn.init.constant_(followed.weight, 1.0)
    average.update(1000)
    assert float(average.average["weight"]) == pytest.approx(0.1)


def test_the_average_is_applied_inside_the_block_alone() -> None:
    followed = module(1.0)
    average = MovingAverage(followed, 0.5)
    torch.nn.init.constant_(followed.weight, 3.0)
    with average.applied():
        assert float(followed.weight.detach()) == 1.0
    assert float(followed.weight.detach()) == 3.0


def test_the_parameters_come_back_after_an_error() -> None:
    followed = module(1.0)
    average = MovingAverage(followed, 0.5)
    torch.nn.init.constant_(followed.weight, 3.0)
    with pytest.raises(RuntimeError, match="stop"), average.applied():
        raise RuntimeError("stop")
    assert float(followed.weight.detach()) == 3.0


def test_another_instance_s_average_can_be_loaded() -> None:
    first, second = MovingAverage(module(1.0), 0.5), MovingAverage(module(2.0), 0.5)
    second.load(first.average)
    assert float(second.average["weight"]) == 1.0
