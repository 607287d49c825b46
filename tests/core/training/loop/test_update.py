"""One update: its gradient for any number of forward passes, and a loss or gradient that is not finite."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from birdnet_cli.core.data import LabelledBatch
from birdnet_cli.core.errors import FbnError
from birdnet_cli.core.recipe import FinetuneSettings
from birdnet_cli.core.training.counters import UpdateResult
from birdnet_cli.core.training.distributed import Processes
from birdnet_cli.core.training.loop import update
from birdnet_cli.core.training.loop.update import Updater
from birdnet_cli.core.training.setup.classifier import Classifier
from tests.core.training.quick import cpu_context, small_classifier, small_parts

CPU = torch.device("cpu")


def batch(n: int = 6, *, seed: int = 0) -> LabelledBatch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (n, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return LabelledBatch(images, torch.arange(n) % 3, list(range(n)), [])


def updater(classifier: Classifier, **changes: Any) -> Updater:
    settings = FinetuneSettings.model_validate({"lr": 0.5, "backbone_lr": 0.5, "momentum": 0.0} | changes)
    made = Updater(small_parts(classifier, settings), cpu_context(settings), accumulate=settings.accumulate)
    made.prepare(frozen=False)
    return made


def apply(made: Updater, given: LabelledBatch, *, step: int = 0, rate_factor: float = 1.0) -> UpdateResult:
    return made.update(given, epoch=0, step=step, images=len(given.labels), rate_factor=rate_factor)


def parameters(classifier: Classifier) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in classifier.parameters()])


def test_an_update_is_one_step_down_the_mean_loss() -> None:
    classifier, reference = small_classifier(), small_classifier()
    result = apply(updater(classifier, label_smoothing=0.1), batch())
    reference.prepare(frozen=False, freeze_norm=False)
    loss = cross_entropy(reference(batch().images), batch().labels, label_smoothing=0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    expected = torch.cat([(p.detach() - 0.5 * p.grad).flatten() for p in reference.parameters() if p.grad is not None])
    torch.testing.assert_close(parameters(classifier), expected)
    assert (result.images, result.applied) == (6, True)
    assert result.loss_sum == pytest.approx(6 * float(loss.detach()))


@pytest.mark.parametrize("accumulate", [2, 3, 4, 6, 9])
def test_dividing_an_update_leaves_its_gradient(accumulate: int) -> None:
    whole, divided = small_classifier(norm=False), small_classifier(norm=False)
    first, second = apply(updater(whole), batch()), apply(updater(divided, accumulate=accumulate), batch())
    torch.testing.assert_close(parameters(divided), parameters(whole))
    assert second.loss_sum == pytest.approx(first.loss_sum)
    assert second.correct == first.correct


def test_correct_images_are_counted_before_the_update() -> None:
    classifier = small_classifier()
    classifier.prepare(frozen=False, freeze_norm=False)
    with torch.no_grad():
        correct = int((classifier(batch().images).argmax(1) == batch().labels).sum())
    classifier = small_classifier()
    assert apply(updater(classifier), batch()).correct == correct


def test_a_norm_is_clipped_and_reported_unclipped() -> None:
    free, clipped = small_classifier(), small_classifier()
    before = parameters(free)
    norm = apply(updater(free), batch()).grad_norm
    assert norm == pytest.approx(float((before - parameters(free)).norm()) / 0.5, rel=1e-5)
    told = apply(updater(clipped, clip_grad=norm / 4), batch()).grad_norm
    assert told == pytest.approx(norm)
    torch.testing.assert_close(before - parameters(clipped), (before - parameters(free)) / 4)


def test_each_value_of_the_gradient_is_clamped() -> None:
    free, clamped = small_classifier(), small_classifier()
    before = parameters(free)
    apply(updater(free), batch())
    apply(updater(clamped, clamp_grad=0.01), batch())
    expected = ((before - parameters(free)) / 0.5).clamp(-0.01, 0.01) * 0.5
    torch.testing.assert_close(before - parameters(clamped), expected)


def test_a_frozen_backbone_stays_bit_for_bit_and_so_do_its_statistics() -> None:
    classifier = small_classifier()
    before = {key: value.clone() for key, value in classifier.backbone.state_dict().items()}
    made = updater(classifier, weight_decay=0.1)
    made.prepare(frozen=True)
    head = classifier.head.weight.detach().clone()
    apply(made, batch())
    assert all(torch.equal(value, before[key]) for key, value in classifier.backbone.state_dict().items())
    assert not torch.equal(classifier.head.weight, head)
    made.prepare(frozen=False)
    apply(made, batch(), step=1)
    assert not all(torch.equal(value, before[key]) for key, value in classifier.backbone.state_dict().items())


def test_frozen_norms_keep_their_statistics_while_their_scale_learns() -> None:
    classifier = small_classifier()
    apply(updater(classifier, freeze_norm=True), batch())
    norm = classifier.backbone.network[1]  # type: ignore[index]
    assert isinstance(norm, nn.BatchNorm2d)
    assert torch.equal(norm.running_mean, torch.zeros(8))
    assert not torch.equal(norm.weight, torch.ones(8))


def test_dropout_draws_by_seed_and_step_alone() -> None:
    def trained(*, seed: int = 0, step: int = 0, disturb: int = 0) -> Tensor:
        classifier = small_classifier(dropout=0.5)
        torch.manual_seed(disturb)
        apply(updater(classifier, seed=seed), batch(), step=step)
        return parameters(classifier)

    assert torch.equal(trained(), trained(disturb=7))
    assert not torch.equal(trained(), trained(step=1))
    assert not torch.equal(trained(), trained(seed=1))


def test_the_callers_generator_is_left_as_it_was() -> None:
    made = updater(small_classifier(dropout=0.5))
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    apply(made, batch())
    assert torch.equal(torch.rand(2), expected)


def spoil(classifier: Classifier, value: float = math.nan) -> None:
    """Let the next forward pass see a value that is not finite."""

    def hook(_module: object, _inputs: object, output: Tensor) -> Tensor:
        handle.remove()
        return output * value

    handle = classifier.backbone.network[0].register_forward_hook(hook)  # type: ignore[index]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_batch_that_is_not_finite_leaves_no_trace(value: float) -> None:
    classifier = small_classifier()
    made = updater(classifier, momentum=0.9)
    before = {key: tensor.clone() for key, tensor in classifier.state_dict().items()}
    spoil(classifier, value)
    result = apply(made, batch())
    assert (result.applied, result.overflow) == (False, False)
    assert all(torch.equal(tensor, before[key]) for key, tensor in classifier.state_dict().items())
    assert not made.parts.optimizer.state
    assert apply(made, batch(), step=1).applied


def test_float16_whose_gradient_overflows_is_scaled_less() -> None:
    classifier = small_classifier(dtype=torch.float16)
    made = updater(classifier)
    before = parameters(classifier)
    made.parts.scaler.load_state_dict(made.parts.scaler.state_dict() | {"scale": 2.0**60})
    result = apply(made, batch())
    assert (result.applied, result.overflow) == (False, True)
    assert math.isfinite(result.loss_sum)
    assert torch.equal(parameters(classifier), before)
    assert made.parts.scaler.get_scale() == 2.0**59


@pytest.mark.parametrize(("scale", "overflow"), [(4.0, True), (1.0, False)])
def test_a_gradient_that_overflows_at_a_scale_below_one_is_no_matter_of_the_scale(scale: float, overflow: bool) -> None:
    classifier = small_classifier(dtype=torch.float16)
    made = updater(classifier)
    made.parts.scaler.load_state_dict(made.parts.scaler.state_dict() | {"scale": scale})
    classifier.head.weight.register_hook(lambda gradient: gradient * math.inf)
    result = apply(made, batch())
    assert (result.applied, result.overflow, made.parts.scaler.get_scale()) == (False, overflow, scale / 2)


def test_the_factor_scales_the_rate() -> None:
    whole, half = small_classifier(), small_classifier()
    before = parameters(whole)
    apply(updater(whole), batch())
    apply(updater(half), batch(), rate_factor=0.5)
    torch.testing.assert_close(before - parameters(half), (before - parameters(whole)) / 2)


def test_the_average_follows_applied_updates_alone() -> None:
    classifier = small_classifier()
    made = updater(classifier, ema_decay=0.9)
    assert made.parts.average is not None
    start = made.parts.average.average["head.weight"].fill_(7.0).clone()
    spoil(classifier)
    apply(made, batch())
    assert torch.equal(made.parts.average.average["head.weight"], start)
    apply(made, batch(), step=1)
    # min(0.9, (1 + 1) / (10 + 1)) of the start
    expected = start * 2 / 11 + classifier.head.weight.detach() * 9 / 11
    torch.testing.assert_close(made.parts.average.average["head.weight"], expected)


def test_float16_learns_what_float32_learns() -> None:
    half, full = small_classifier(dtype=torch.float16), small_classifier()
    assert apply(updater(half), batch()).applied
    apply(updater(full), batch())
    torch.testing.assert_close(parameters(half), parameters(full), rtol=0, atol=5e-3)


class SmallMemory:
    """A GPU that cannot hold more than so many images."""

    def __init__(self, classifier: Classifier, most: int) -> None:
        self.sizes: list[int] = []
        self.most = most
        self.real = classifier.run_backbone
        classifier.run_backbone = self

    def __call__(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.real(images)


def test_too_little_memory_halves_the_forward_pass_once_for_good() -> None:
    small, large = small_classifier(norm=False), small_classifier(norm=False)
    made = updater(small)
    memory = SmallMemory(small, most=3)
    assert apply(made, batch()).applied
    apply(updater(large), batch())
    torch.testing.assert_close(parameters(small), parameters(large))
    apply(made, batch(), step=1)
    assert memory.sizes == [6, 3, 3, 3, 3]
    assert made.accumulate == 2


def test_a_batch_seen_in_halves_counts_once_in_the_statistics() -> None:
    classifier = small_classifier()
    made = updater(classifier)
    SmallMemory(classifier, most=3)
    apply(made, batch())
    norm = classifier.backbone.network[1]  # type: ignore[index]
    assert int(norm.num_batches_tracked) == 2


def test_where_half_does_not_fit_either_the_error_says_what_to_lower() -> None:
    classifier = small_classifier()
    made = updater(classifier)
    SmallMemory(classifier, most=1)
    with pytest.raises(torch.OutOfMemoryError):
        apply(made, batch())
    with pytest.raises(FbnError, match="does not suffice for 6 images in 2 forward passes: lower --batch-size"):
        apply(made, batch())


def test_mixed_images_have_no_top1() -> None:
    classifier = small_classifier()
    result = apply(updater(classifier, mixup=0.4), batch())
    assert result.applied
    assert result.correct is None


@pytest.mark.parametrize(("sync", "streams"), [(True, [0, 0]), (False, [3, 3])])
def test_masks_are_the_same_in_all_processes_or_each_process_s_own(
    monkeypatch: pytest.MonkeyPatch, sync: bool, streams: list[int]
) -> None:
    seen: list[tuple[tuple[int, ...], int]] = []
    monkeypatch.setattr(update, "reseed_drop_factors", lambda _module, *key, stream: seen.append((key, stream)))
    made = updater(small_classifier(), sync_masks=sync, accumulate=2, seed=7)
    # Only the rank matters here: without other processes nothing is exchanged.
    made.processes = Processes(CPU, rank=3)
    apply(made, batch(), step=5)
    assert [key for key, _ in seen] == [(7, 5, 0), (7, 5, 1)]
    assert [stream for _, stream in seen] == streams


@pytest.mark.slow
def test_a_compiled_update_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, compiled = small_classifier(), small_classifier()
    apply(updater(plain), batch())
    apply(updater(compiled, compile=True), batch())
    torch.testing.assert_close(parameters(compiled), parameters(plain), rtol=1e-4, atol=1e-5)
