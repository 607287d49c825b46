"""Mixup and CutMix."""

import numpy as np
import pytest
import torch
from torch import Tensor

from birdnet_cli.core.data import mix_batch, mix_targets
from birdnet_cli.core.errors import UsageError
from birdnet_cli.core.recipe import FinetuneSettings

LABELS = torch.arange(5)


def constant_images(n: int = 5, *, side: int = 20) -> Tensor:
    """Image i is i everywhere."""
    return torch.arange(n, dtype=torch.float32)[:, None, None, None].expand(n, 3, side, side).clone()


def mix(mode: str, *, step: int = 0, alpha: float = 1.0, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return mix_batch(
        constant_images() if images is None else images,
        LABELS,
        num_classes=5,
        mode=mode,  # type: ignore[arg-type]
        alpha=alpha,
        seed=0,
        epoch=0,
        step=step,
    )


@pytest.mark.parametrize("mode", ["mixup", "cutmix"])
@pytest.mark.parametrize("step", range(8))
def test_share_of_pixels_is_the_share_of_labels(mode: str, step: int) -> None:
    # Image i is i everywhere and of class i, so that its mean tells what its targets must be.
    mixed, targets = mix(mode, step=step)
    assert torch.allclose(targets.sum(1), torch.ones(5))
    assert (targets > 0).sum(1).max() <= 2
    assert torch.allclose(targets @ torch.arange(5.0), mixed.mean((1, 2, 3)), atol=1e-5)
    own = targets.diagonal()
    assert len(own[own < 1].unique()) <= 1


def test_shares_of_one_class_add_up() -> None:
    labels = torch.zeros(5, dtype=torch.int64)
    _, targets = mix_batch(constant_images(), labels, num_classes=2, mode="mixup", alpha=1.0, seed=0, epoch=0, step=0)
    assert torch.allclose(targets, torch.tensor([1.0, 0.0]).expand(5, 2))


@pytest.mark.parametrize("step", range(12))
def test_cutmix_takes_one_rectangle_from_the_partner(step: int) -> None:
    mixed, targets = mix("cutmix", step=step)
    changed = mixed != constant_images()
    rows, columns = changed.any(0)[0].any(1), changed.any(0)[0].any(0)
    taken = rows[:, None] & columns[None]
    partners = {index: mixed[index][:, taken].unique().tolist() for index in range(5)}
    assert all(len(values) <= 1 for values in partners.values())
    assert torch.equal(mixed[:, :, ~taken], constant_images()[:, :, ~taken])
    if taken.any():
        first, last = rows.nonzero()[0].item(), rows.nonzero()[-1].item()
        assert rows[first : last + 1].all()
        assert sorted(value for values in partners.values() for value in values) == [0, 1, 2, 3, 4]
    lam = 1 - taken.float().mean().item()
    shares = {round(float(targets[index, LABELS[index]]), 5) for index in range(5)}
    assert shares <= {round(lam, 5), 1.0}


@pytest.mark.parametrize("mode", ["mixup", "cutmix"])
def test_step_epoch_and_seed_decide_everything(mode: str) -> None:
    first = mix(mode)
    torch.manual_seed(9)
    again = mix(mode)
    assert torch.equal(again[0], first[0])
    assert torch.equal(again[1], first[1])
    assert torch.initial_seed() == 9
    others = [mix(mode, step=step)[1] for step in range(1, 6)]
    assert not any(torch.equal(other, first[1]) for other in others)


def test_images_given_are_left_alone() -> None:
    for mode in ("mixup", "cutmix"):
        images = constant_images()
        mix(mode, images=images)
        assert torch.equal(images, constant_images())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("mode", ["mixup", "cutmix"])
def test_images_keep_their_type_and_targets_are_float32(mode: str, dtype: torch.dtype) -> None:
    mixed, targets = mix(mode, images=constant_images().to(dtype))
    assert mixed.dtype == dtype
    assert targets.dtype == torch.float32
    assert torch.allclose(mixed.double(), mix(mode)[0].double(), atol=0.02)


@pytest.mark.parametrize(("alpha", "variance"), [(0.2, 0.25 / 1.4), (1.0, 1 / 12), (4.0, 0.25 / 9)])
def test_shares_follow_the_beta_distribution(alpha: float, variance: float) -> None:
    images = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 3, 2, 2)
    shares = []
    for step in range(1500):
        mixed, _ = mix_batch(
            images, torch.tensor([0, 1]), num_classes=2, mode="mixup", alpha=alpha, seed=1, epoch=0, step=step
        )
        if mixed[0, 0, 0, 0] > 0:  # the partner was the other image
            shares.append(1 - float(mixed[0, 0, 0, 0]))
    assert 650 < len(shares) < 850 or alpha < 1
    assert np.mean(shares) == pytest.approx(0.5, abs=0.05)
    assert np.var(shares) == pytest.approx(variance, rel=0.15)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_nothing_to_mix_with_is_refused(alpha: float) -> None:
    with pytest.raises(UsageError, match="expected an alpha above 0 to mix with"):
        mix("mixup", alpha=alpha)


def test_tiny_alpha_mixes_next_to_nothing() -> None:
    mixed, targets = mix("mixup", alpha=1e-4)
    assert torch.isfinite(mixed).all()
    assert ((targets < 1e-3) | (targets > 1 - 1e-3)).all()


def mix_as_asked(images: Tensor, *, step: int = 0, **alphas: float) -> tuple[Tensor, Tensor]:
    settings = FinetuneSettings.model_validate({"seed": 7, **alphas})
    labels = LABELS[: len(images)]
    return mix_targets(images, labels, settings=settings, num_classes=5, epoch=2, step=step)


def test_batch_that_is_not_to_be_mixed_comes_back_as_it_is() -> None:
    images = constant_images().to(torch.uint8)
    pixels, targets = mix_as_asked(images)
    assert pixels is images
    assert torch.equal(targets, LABELS)
    alone, label = mix_as_asked(images[:1], mixup=0.5, cutmix=0.5)
    assert torch.equal(alone, images[:1])
    assert label.tolist() == [0]


@pytest.mark.parametrize("mode", ["mixup", "cutmix"])
def test_a_single_mode_mixes_every_batch_with_its_own_alpha(mode: str) -> None:
    images = constant_images().to(torch.uint8)
    for step in range(6):
        expected = mix_batch(
            images.float(),
            LABELS,
            num_classes=5,
            mode=mode,
            alpha=0.3,
            seed=7,
            epoch=2,
            step=step,  # type: ignore[arg-type]
        )
        for found, wanted in zip(mix_as_asked(images, step=step, **{mode: 0.3}), expected, strict=True):
            assert torch.equal(found, wanted)


def test_both_modes_take_turns_at_even_odds_each_with_its_own_alpha() -> None:
    images = constant_images().to(torch.uint8)
    alphas = {"mixup": 1.0, "cutmix": 2.0}
    counts = dict.fromkeys(alphas, 0)
    for step in range(200):
        found, _ = mix_as_asked(images, step=step, **alphas)
        expected = {mode: mix_as_asked(images, step=step, **{mode: alpha})[0] for mode, alpha in alphas.items()}
        if not torch.equal(expected["mixup"], expected["cutmix"]):  # they are equal where each image met itself
            (mode,) = [mode for mode, mixed in expected.items() if torch.equal(found, mixed)]
            counts[mode] += 1
    assert sum(counts.values()) > 180
    assert 75 < counts["mixup"] < 125
