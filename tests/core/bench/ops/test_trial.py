import pytest
import torch
from torch import Tensor

from birdnet_cli.core.bench.ops import Contender, Shape, measure
from birdnet_cli.core.bench.ops.trial import Trial


@pytest.fixture(autouse=True)
def short_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "SAMPLE_SECONDS", 1e-6)


def build(calls: list[Tensor]) -> Trial:
    def forward(x: Tensor) -> Tensor:
        calls.append(x)
        return x.square().sum((1, 2))

    shape = Shape(2, 3, 4)
    return Trial("op", "square", Contender(forward), shape, dtype=torch.float32, device=torch.device("cpu"))


def test_a_sample_is_a_time_of_the_forward_and_of_both_passes() -> None:
    trial = build([])
    trial.sample()
    trial.sample()
    assert [len(samples) for samples in trial.samples] == [2, 2]
    assert all(seconds > 0 for seconds in trial.seconds())


def test_maps_have_the_shape_and_no_zeros_and_the_second_pass_has_a_gradient() -> None:
    calls: list[Tensor] = []
    trial = build(calls)
    forward, both = trial.passes
    forward()
    assert calls[-1].shape == (2, 3, 4)
    assert (calls[-1] > 0).all()
    assert not calls[-1].requires_grad
    gradient = both()
    assert isinstance(gradient, Tensor)
    assert gradient.shape == (2, 3, 4)


def test_the_seconds_are_medians() -> None:
    trial = build([])
    trial.samples = ([1.0, 5.0, 2.0], [3.0, 4.0, 9.0])
    assert trial.seconds() == [2.0, 4.0]


def test_a_released_trial_holds_no_maps() -> None:
    trial = build([])
    trial.release()
    assert trial.passes == ()
